"""An HTTP front for chDB that stands in for a ClickHouse server, with scripted failures.

It implements the part of the protocol that clickhouse-connect uses: queries and commands with parameters and settings,
inserts in Native format with a deduplication token, and error codes. It has no users, progress or compression.

Tests script the next inserts and queries in `inserts` and `queries`, with one word per request:
- `refuses`: resets the connection before it reads the request.
- `busy`: responds with 503.
- `hangs`: does not execute the request, and does not respond before `released` is set.
- `forgets`: reads the request, does not execute it, and closes the connection.
- `commits`: executes the request, and closes the connection without a response.
- `cuts`: executes the request, and truncates the response.
- `commits and hangs`: executes the request, and does not respond before `released` is set.
- a number: does not execute the request, and responds with this error code.
Requests without a word are executed normally.
"""

from __future__ import annotations

import http.server
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver._backend.chdb_backend import ChdbBackend, _decompress, _trailing_format
from clickhouse_connect.driver._backend.models import QueryRuntime
from clickhouse_connect.driver.exceptions import ClickHouseError

from gateway.usage.store.connection import load_chdb

_NO_SETTINGS = ("query", "database")


class _Behind(Protocol):
    _backend: ChdbBackend


class ClickHouseFront:
    """The HTTP server. It can stop listening, and listen again on the same port."""

    def __init__(self, chdb_url: str) -> None:
        load_chdb()
        client = clickhouse_connect.get_client(interface="chdb", path=unquote(urlsplit(chdb_url).path))
        self._client = client
        self.engine = cast(_Behind, client)._backend
        self.inserts: deque[str] = deque()
        self.queries: deque[str] = deque()
        self.seen: list[str] = []
        """The first word of every statement, `INSERT` among them."""
        self.reached = threading.Event()
        """Set when a request hangs."""
        self.released = threading.Event()
        self.port = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://default:secret@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start listening."""
        front = self

        class Handler(_Handler):
            pass

        Handler.front = front
        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening; open connections end after their request."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def close(self) -> None:
        """Stop listening and close the engine."""
        self.released.set()
        self.stop()
        self._client.close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore errors of disconnected clients."""


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0: each request has a separate connection, so that a stopped server refuses the next request.
    front: ClickHouseFront

    def do_GET(self) -> None:
        if urlsplit(self.path).query:
            self.do_POST()
        else:
            # `/ping` and `/`.
            self._answer(200, b"Ok.\n", {})

    def do_POST(self) -> None:
        # The type of a statement is known only after it was read, except for inserts, which have their media type.
        is_insert = self.headers["Content-Type"] == "application/octet-stream"
        words = self.front.inserts if is_insert else self.front.queries
        word = words.popleft() if words else ""
        if word == "refuses":
            self._reset()
            return
        statement, parameters = self._read()
        self.front.seen.append(statement.split(None, 1)[0].decode())
        if word == "hangs":
            self._hang()
        elif word == "busy":
            self._answer(503, b"Too many simultaneous queries", {})
        elif word.isdigit():
            self._refuse(int(word), f"Code: {word}. DB::Exception: as the test wants it. (AS_WANTED)")
        elif word != "forgets":
            self._carry_out(word, statement, parameters, is_insert=is_insert)

    def _carry_out(self, word: str, statement: bytes, parameters: dict[str, str], *, is_insert: bool) -> None:
        try:
            body = self._run(statement, parameters, is_insert=is_insert)
        except ClickHouseError as error:
            self._refuse(getattr(error, "code", None) or 1000, str(error))
            return
        if word == "commits and hangs":
            self._hang()
        elif word != "commits":
            headers = {"X-ClickHouse-Format": _trailing_format(statement) or "TabSeparated"} if body else {}
            self._answer(200, body, headers, cut=word == "cuts")

    def _run(self, statement: bytes, parameters: dict[str, str], *, is_insert: bool) -> bytes:
        values = {name: value for name, value in parameters.items() if name.startswith("param_")}
        settings = {
            name: value for name, value in parameters.items() if name not in _NO_SETTINGS and name not in values
        }
        runtime = QueryRuntime(database=parameters.get("database"), settings=settings)
        if is_insert:
            head, _, block = statement.partition(b" FORMAT Native\n")
            into = head.decode().removeprefix("INSERT INTO ")
            self.front.engine.execute_raw_insert(into, None, block, "Native", None, runtime, None)
            return b""
        return self.front.engine.execute_raw_query(statement, values, None, runtime, None)

    def _read(self) -> tuple[bytes, dict[str, str]]:
        """Return the statement, its parameters and its settings."""
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._chunks() if self.headers["Transfer-Encoding"] else self._sized()
        if encoding := self.headers["Content-Encoding"]:
            body = _decompress(body, encoding)
        if (self.headers["Content-Type"] or "").startswith("multipart/form-data"):
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            form = BytesParser(policy=HTTP).parsebytes(head + body)
            for part in form.iter_parts():
                payload: Any = part.get_payload(decode=True)
                parameters[str(part.get_param("name", header="Content-Disposition"))] = payload.decode()
            body = b""
        return parameters.pop("query", "").encode() + body, parameters

    def _sized(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"] or 0))

    def _chunks(self) -> bytes:
        found = []
        while size := int(self.rfile.readline(), 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(found)

    def _answer(self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        # A truncated response announces more bytes than it has.
        self.send_header("Content-Length", str(len(body) + cut))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def _refuse(self, code: int, message: str) -> None:
        self._answer(500, message.encode(), {"X-ClickHouse-Exception-Code": str(code)})

    def _hang(self) -> None:
        self.front.reached.set()
        self.front.released.wait(60)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def clickhouse_front(chdb_url: str) -> Iterator[ClickHouseFront]:
    """Run a server in front of the chDB at a URL, which this process may also have open."""
    front = ClickHouseFront(chdb_url)
    front.start()
    try:
        yield front
    finally:
        front.close()
