"""The files of the dashboard, read once when the application is made.

Each file is served under its own name and no other path is looked up, so there is no path traversal.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

from aiohttp import hdrs, web

_MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """One file of the dashboard."""

    body: bytes
    media_type: str
    etag: str


def load_assets() -> dict[str, Asset]:
    """Return the files of the dashboard by name."""
    assets = {}
    for file in files("admin_api").joinpath("dashboard").iterdir():
        media_type = _MEDIA_TYPES.get("." + file.name.rpartition(".")[2])
        if media_type is not None and file.is_file():
            body = file.read_bytes()
            assets[file.name] = Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:24]}"')
    return assets


def serve_asset(asset: Asset, request: web.Request) -> web.Response:
    """Return the file, or 304 if the browser has it. Browsers always revalidate, so upgrades show immediately."""
    headers = {hdrs.ETAG: asset.etag, hdrs.CACHE_CONTROL: "no-cache"}
    if asset.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, content_type=asset.media_type, charset="utf-8", headers=headers)
