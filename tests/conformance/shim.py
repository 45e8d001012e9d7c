"""Puts an API key into requests that pass by, for a client that has no option for headers.

It changes nothing else, not a byte, so that whatever a client and a gateway make of each other stays theirs to see.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator

_LENGTH = re.compile(rb"\r\ncontent-length:\s*([0-9]+)\s*\r\n", re.IGNORECASE)


@contextlib.contextmanager
def with_key(port: int, key: str) -> Iterator[int]:
    """A port whose connections go on to `port` of this machine, with the key in every request."""
    loop = asyncio.new_event_loop()
    field = f"Authorization: Bearer {key}\r\n".encode()

    async def serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        gateway, requests = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.ensure_future(_add(field, client, requests)), asyncio.ensure_future(_copy(gateway, answers))]
        try:
            # Either side that closes ends both: a client that leaves must be seen to leave.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            requests.close()
            answers.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _add(field: bytes, requests: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await requests.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await requests.readexactly(int(length[1]) if length else 0)
            line, _, rest = head.partition(b"\r\n")
            to.write(line + b"\r\n" + field + rest + body)
            await to.drain()


async def _copy(answers: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await answers.read(65536):
            to.write(piece)
            await to.drain()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
