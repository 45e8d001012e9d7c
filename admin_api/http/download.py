"""A file as a response, streamed in chunks while it is produced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import hdrs, web

STALLED_SECONDS = 60.0
"""Seconds after which the connection of a client that reads nothing is closed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """The content of a file, and the name under which a browser saves it."""

    media_type: str
    file_name: str
    chunks: AsyncGenerator[bytes]

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send the file. An error before the first chunk is raised; a later one aborts the connection.

        An aborted connection tells the client that the file is incomplete.
        """
        # Closing the generator ends the query if the client disconnects.
        async with aclosing(self.chunks) as chunks:
            first = await anext(chunks, b"")
            response = web.StreamResponse(
                headers={
                    hdrs.CONTENT_TYPE: self.media_type,
                    hdrs.CONTENT_DISPOSITION: f'attachment; filename="{self.file_name}"',
                }
            )
            await response.prepare(request)
            try:
                await _write(response, first)
                async for chunk in chunks:
                    await _write(response, chunk)
                await response.write_eof()
            except Exception as error:
                _log.warning("The download of %s was aborted: %s", self.file_name, str(error) or type(error).__name__)
                if request.transport is not None:
                    request.transport.abort()
        return response


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    async with asyncio.timeout(STALLED_SECONDS):
        await response.write(chunk)
