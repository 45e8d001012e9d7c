"""The files of the dashboard, read once when the application is made.

Each file is served under its own name and no other path is looked up, so there is no path traversal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from aiohttp import hdrs, web

_MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """One file of the dashboard."""

    body: bytes
    media_type: str
    etag: str


def load_assets() -> dict[str, Asset]:
    """Return the files of the dashboard by their path in its folder."""
    assets = {}
    for path, file in _files(files("admin_api").joinpath("dashboard")):
        media_type = _MEDIA_TYPES.get("." + path.rpartition(".")[2])
        if media_type is not None:
            body = file.read_bytes()
            assets[path] = Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:24]}"')
    return assets


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry


def serve_asset(asset: Asset, request: web.Request) -> web.Response:
    """Return the file, or 304 if the browser has it. Browsers always revalidate, so upgrades show immediately."""
    headers = {hdrs.ETAG: asset.etag, hdrs.CACHE_CONTROL: "no-cache"}
    if asset.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, content_type=asset.media_type, charset="utf-8", headers=headers)
