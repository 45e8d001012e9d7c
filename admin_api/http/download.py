"""A file as an answer, sent piece by piece while it is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import hdrs, web

STALLED_SECONDS = 60.0
"""A client that takes nothing for so long loses the connection."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """What is sent, and the name that a browser saves it under."""

    media_type: str
    file_name: str
    pieces: AsyncGenerator[bytes]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send it. What fails before the first piece is raised; later the connection is broken off, so that no part
        passes for the whole.
        """
        # Whoever makes the pieces is told when nobody wants more of them.
        async with aclosing(self.pieces) as pieces:
            first = await anext(pieces, b"")
            response = web.StreamResponse(
                headers={
                    hdrs.CONTENT_TYPE: self.media_type,
                    hdrs.CONTENT_DISPOSITION: f'attachment; filename="{self.file_name}"',
                }
            )
            await response.prepare(request)
            try:
                await _write(response, first)
                async for piece in pieces:
                    await _write(response, piece)
                await response.write_eof()
            except Exception as error:
                _log.warning("%s broke off: %s", self.file_name, str(error) or type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
        return response


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(STALLED_SECONDS):
        await response.write(piece)
