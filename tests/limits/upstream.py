"""An MCP server in a thread, which counts the calls that reach it and can hold them.

A call has the arguments `group`, by which it is counted, `rows`, the records of its result, `seconds`, which it takes,
and `held`: then it takes until `CallGroup.release`. A call whose connection is closed ends immediately. Every third
response is an event stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.support.scripted_upstream import Request, chunk, http, sse_event, sse_head


class CallGroup:
    """The calls with the same `group`. A call is in flight until just before its response is sent."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.started = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.released = asyncio.Event()

    def release(self) -> None:
        """Let the held calls end; those that arrive later are not held."""
        self._loop.call_soon_threadsafe(self.released.set)


class Upstream:
    """Serves calls, each connection one after another."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._groups: defaultdict[str, CallGroup] = defaultdict(lambda: CallGroup(self._loop))
        self._numbers = itertools.count()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def group(self, name: str) -> CallGroup:
        """Return the calls of a group, now and in the future."""
        return self._groups[name]

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Close all connections and end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = Request(await reader.readuntil(b"\r\n\r\n"), b"")
                request.body = await reader.readexactly(int(request.values("content-length")[0]))
                await self._answer(request.message, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, message: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arguments = message["params"]["arguments"]
        group = self._groups[arguments["group"]]
        group.started += 1
        group.in_flight += 1
        group.most_in_flight = max(group.most_in_flight, group.in_flight)
        try:
            if arguments.get("held"):
                await _unless_closed(group.released.wait(), reader)
            elif "seconds" in arguments:
                await _unless_closed(asyncio.sleep(arguments["seconds"]), reader)
        finally:
            group.in_flight -= 1
        rows = [{"row": row} for row in range(arguments.get("rows", 0))]
        result = {"content": [], "structuredContent": {"table": "rows", "rows": rows}}
        response = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        if next(self._numbers) % 3:
            writer.write(http(json.dumps(response).encode()))
        else:
            writer.write(sse_head() + chunk(sse_event(response)) + chunk(b""))


async def _unless_closed(work: Any, reader: asyncio.StreamReader) -> None:
    """Wait for `work`. Raises `ConnectionError` if the peer closes the connection, on which it sends nothing."""
    waiting, closed = asyncio.ensure_future(work), asyncio.ensure_future(reader.read(1))
    await asyncio.wait((waiting, closed), return_when=asyncio.FIRST_COMPLETED)
    if closed.done():
        waiting.cancel()
        raise ConnectionError
    closed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closed


@contextlib.contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Run an `Upstream`."""
    upstream = Upstream()
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.stop()
