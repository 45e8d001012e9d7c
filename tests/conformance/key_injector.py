"""A TCP proxy that adds an API key to every request, for a client without an option for headers.

It forwards all other bytes unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator

_LENGTH = re.compile(rb"\r\ncontent-length:\s*([0-9]+)\s*\r\n", re.IGNORECASE)


@contextlib.contextmanager
def injecting_key(port: int, key: str) -> Iterator[int]:
    """Run the proxy to a local `port`; provide its own port."""
    loop = asyncio.new_event_loop()
    field = f"Authorization: Bearer {key}\r\n".encode()

    async def serve(client: asyncio.StreamReader, responses: asyncio.StreamWriter) -> None:
        gateway, requests = await asyncio.open_connection("127.0.0.1", port)
        copies = (_add_field(field, client, requests), _copy(gateway, responses))
        tasks = [asyncio.ensure_future(copy) for copy in copies]
        try:
            # A close on either side closes both, so that the gateway sees the disconnect of the client.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            requests.close()
            responses.close()

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


async def _add_field(field: bytes, requests: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await requests.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await requests.readexactly(int(length[1]) if length else 0)
            line, _, rest = head.partition(b"\r\n")
            to.write(line + b"\r\n" + field + rest + body)
            await to.drain()


async def _copy(responses: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await responses.read(65536):
            to.write(chunk)
            await to.drain()


async def _close(server: asyncio.Server) -> None:
    server.close()
    other_tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in other_tasks:
        task.cancel()
    await asyncio.gather(*other_tasks, return_exceptions=True)
