"""The dashboard's files, read once when the app is made.

Only the files that are in the folder then can be asked for, each by its plain name: there is no
path to climb.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

from aiohttp import hdrs, web

_MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """One file."""

    body: bytes
    media_type: str
    etag: str


def load_assets() -> dict[str, Asset]:
    """Every file of the dashboard by its name."""
    assets = {}
    for file in files("admin_api").joinpath("dashboard").iterdir():
        media_type = _MEDIA_TYPES.get("." + file.name.rpartition(".")[2])
        if media_type is not None and file.is_file():
            body = file.read_bytes()
            assets[file.name] = Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:24]}"')
    return assets


def serve(asset: Asset, request: web.Request) -> web.Response:
    """The file, or 304 where the browser has it; it always asks, so that an upgrade shows at once."""
    headers = {hdrs.ETAG: asset.etag, hdrs.CACHE_CONTROL: "no-cache"}
    if asset.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=asset.body, content_type=asset.media_type, charset="utf-8", headers=headers)
