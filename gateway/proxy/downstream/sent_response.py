"""The objects that a handler returns to aiohttp after it has written its response."""

from __future__ import annotations

from aiohttp import web


class _SentResponse(web.StreamResponse):
    """A stub for a response that was written through `request.writer`.

    aiohttp's own serializer drops bytes of header values that are not UTF-8, and it sends no trailers.
    """

    def __init__(self, *, keep_alive: bool) -> None:
        # One object stands for all responses. aiohttp calls nothing but the methods below.
        self._keeps_alive = keep_alive

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


SENT = _SentResponse(keep_alive=True)
SENT_LAST = _SentResponse(keep_alive=False)
