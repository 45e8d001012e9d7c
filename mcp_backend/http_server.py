"""The SDK's HTTP application on a listening socket, served by uvicorn.

- The socket is opened after the prices are loaded, so that a client that connects gets a response.
- The SDK's protection against DNS rebinding keeps its default: on for 127.0.0.1, localhost and ::1.
- After a signal, requests and streams have STREAM_SECONDS to end before they are closed.
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

from mcp_backend.database import Database
from mcp_backend.prices import load_prices
from mcp_backend.server import create_server

PATH: Final = "/mcp"
STREAM_SECONDS: Final = 2
BACKLOG: Final = 2048


@dataclass(frozen=True)
class Options:
    """The options of the command line; port 0 means a free port."""

    host: str = "127.0.0.1"
    port: int = 8002
    fd: int | None = None
    """File descriptor of a listening socket, inherited from the parent process, to use instead of host and port."""
    json_response: bool = False
    stateless: bool = False
    log_level: str = "warning"


class CannotListenError(Exception):
    """The address cannot be bound; the message is one line with the reason."""


class _Server(uvicorn.Server):
    """A server that prints its URL when it is ready."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"mcp_backend listening on {self._url}\n")
        sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn logs each stream that it closes as an error; during a shutdown that is expected.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def serve(options: Options) -> None:
    """Load the prices and serve until SIGINT or SIGTERM.

    uvicorn raises the signal again after the shutdown, for the handler that was installed before.
    Raises CannotListenError, and ModuleNotFoundError if the prices are not installed.
    """
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    with Database(load_prices()) as database:
        app = create_server(database).streamable_http_app(
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
        # Listen immediately: on Linux, two sockets can be bound to one port until one of them listens.
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        # A failed name lookup has no system error number, so its own text is used.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        if error.errno == errno.EADDRINUSE:
            reason = f"{reason}; choose another port with --port (0 means a free one)"
        raise CannotListenError(f"cannot listen on {host}, port {port}: {reason}") from error


def _url(host: str, listener: socket.socket) -> str:
    url_host = f"[{host}]" if ":" in host else host
    return f"http://{url_host}:{listener.getsockname()[1]}{PATH}"
