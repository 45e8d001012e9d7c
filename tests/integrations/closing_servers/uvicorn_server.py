"""An upstream on uvicorn that closes idle connections after a second, without announcing it.

It answers every request alike.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

_BUSY_SECONDS = 0.004
_BODY = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'


def _be_busy() -> None:
    """Block, as a server under load: what arrives meanwhile waits in its socket."""
    time.sleep(_BUSY_SECONDS)


async def _answer(_scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    while (await receive()).get("more_body"):
        pass
    _be_busy()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)
    config = uvicorn.Config(_answer, lifespan="off", log_level="warning", timeout_keep_alive=1)
    uvicorn.Server(config).run(sockets=[listening])
