"""A cheap MCP server: a call of `rows` returns as many rows as it requests.

Every third response is an event stream. It runs as a separate process, which has no faults.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys

from tests.support.scripted_upstream import Request, chunk, http, sse_event, sse_head

_numbers = itertools.count()


async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
    message = request.message
    count = message["params"]["arguments"]["count"]
    result = {"content": [], "structuredContent": {"table": "rows", "rows": [{"row": row} for row in range(count)]}}
    value = {"jsonrpc": "2.0", "id": message["id"], "result": result}
    if next(_numbers) % 3:
        writer.write(http(json.dumps(value).encode()))
    else:
        writer.write(sse_head() + chunk(sse_event(value)) + chunk(b""))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            request = Request(await reader.readuntil(b"\r\n\r\n"), b"")
            if lengths := request.values("content-length"):
                request.body = await reader.readexactly(int(lengths[0]))
            await answer(request, writer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
