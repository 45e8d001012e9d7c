"""A query's answer as a stream of bytes in a format of ClickHouse's own, however large it is.

A server sends it over HTTP. chDB, in this process, writes it into a pipe: what it gives through its own interface it
collects in memory first for formats that have a beginning and an end.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, cast

from clickhouse_connect.driver.client import Client

CHUNK_BYTES = 256 * 1024

Parameters = Mapping[str, Any]


class ExportStream(Protocol):
    """Where the bytes come out. Both methods block, and may be called on any thread."""

    def read(self) -> bytes:
        """The next piece, empty at the end. Raises what went wrong, also after pieces that were good."""

    def close(self) -> None:
        """End the query, if it still runs, and let go of its connection. Waits for a `read` to return."""


def open_export_stream(
    connect: Callable[[], Client], is_embedded: bool, sql: str, parameters: Parameters, fmt: str
) -> ExportStream:
    """Start the query on a connection of its own. Raises what the ClickHouse client raises."""
    return _Piped(connect, sql, parameters, fmt) if is_embedded else _Sent(connect(), sql, parameters, fmt)


class _Sent:
    """Over HTTP."""

    def __init__(self, client: Client, sql: str, parameters: Parameters, fmt: str) -> None:
        self._client = client
        self._reading = threading.Lock()
        try:
            self._answer = cast(io.IOBase, client.raw_stream(sql, dict(parameters), fmt=fmt))
        except BaseException:
            client.close()
            raise

    def read(self) -> bytes:
        with self._reading:
            return bytes(self._answer.read(CHUNK_BYTES))

    def close(self) -> None:
        with self._reading:
            self._answer.close()
            self._client.close()


class _Piped:
    """From chDB, which knows a pipe by the name of its descriptor."""

    def __init__(self, connect: Callable[[], Client], sql: str, parameters: Parameters, fmt: str) -> None:
        self._connect = connect
        self._client = connect()
        self._out, self._into = os.pipe()
        self._head = f"INSERT INTO FUNCTION file('/dev/fd/{self._into}', '{fmt}')"
        self._reading = threading.Lock()
        self._done: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._write, args=(f"{self._head} {sql}", dict(parameters)), name="usage-export", daemon=True
        )
        self._thread.start()

    def read(self) -> bytes:
        with self._reading:
            piece = os.read(self._out, CHUNK_BYTES)
            if not piece:
                self._done.result()
            return piece

    def close(self) -> None:
        with self._reading:
            if self._out < 0:
                return
            # The engine goes on over a pipe that nobody reads, so closing it is not enough.
            os.close(self._out)
            self._out = -1
            while self._thread.is_alive():
                self._kill()
                self._thread.join(0.1)
            self._client.close()

    def _write(self, statement: str, parameters: dict[str, Any]) -> None:
        try:
            self._client.command(statement, parameters)
        except BaseException as error:
            self._done.set_exception(error)
        else:
            self._done.set_result(None)
        finally:
            # Only now is the end of the pipe seen, and what became of the query known.
            os.close(self._into)

    def _kill(self) -> None:
        killer = self._connect()
        try:
            killer.command("KILL QUERY WHERE startsWith(query, {head:String}) ASYNC", {"head": self._head})
        finally:
            killer.close()
