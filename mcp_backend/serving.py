"""The server on a socket: uvicorn around the SDK's own HTTP application.

Rules:
- Nothing listens until the prices are loaded, so that a client that connects is answered.
- The SDK's protection against DNS rebinding stays as it is: on for 127.0.0.1, localhost and ::1.
- After a signal, requests and streams have STREAM_SECONDS to end before they are cut.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Final

import uvicorn

from mcp_backend.data import load_prices
from mcp_backend.database import Database
from mcp_backend.server import make_server

PATH: Final = "/mcp"
STREAM_SECONDS: Final = 2
BACKLOG: Final = 2048


@dataclass(frozen=True)
class Options:
    """What the command line chose; port 0 is a free one."""

    host: str = "127.0.0.1"
    port: int = 8002
    fd: int | None = None
    """A listening socket to serve on instead, opened by whoever started this process."""
    json_response: bool = False
    stateless: bool = False
    log_level: str = "warning"


class CannotListenError(Exception):
    """The address cannot be listened on; the message says why in one line."""


class _Server(uvicorn.Server):
    """A server that says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"mcp_backend listening on {self._url}\n")
        sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn reports each stream that is cut as an error; from now on that is what was asked for.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def serve(options: Options) -> None:
    """Load the prices and answer until a signal comes.

    uvicorn raises the signal again when all has ended; what then happens is the caller's handler's choice.
    Raises CannotListenError, and ModuleNotFoundError where the prices are not installed.
    """
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    with Database(load_prices()) as database:
        app = make_server(database).streamable_http_app(
            streamable_http_path=PATH,
            host=options.host,
            json_response=options.json_response,
            stateless_http=options.stateless,
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level=options.log_level,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=STREAM_SECONDS,
        )
        with _listen(options) as listener:
            _Server(config, _url(options.host, listener)).run([listener])


def _listen(options: Options) -> socket.socket:
    host, port = options.host, options.port
    try:
        if options.fd is not None:
            return socket.socket(fileno=options.fd)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        # Listening at once, not only bound: on Linux two sockets may be bound to one port until one listens.
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        # Only a failed look-up of a name has no system error number; its own text is then the better one.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = f"{reason}; choose another port with --port (0 takes a free one)"
        raise CannotListenError(f"cannot listen on {host}, port {port}: {reason}") from error


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}{PATH}"
