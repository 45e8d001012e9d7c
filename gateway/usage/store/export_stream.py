"""The result of a query as a stream of bytes in one of ClickHouse's formats, of any size.

A server sends it over HTTP. chDB, in this process, writes it into a pipe: its own interface collects the result in
memory for formats with a header or a footer.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol, cast

from clickhouse_connect.driver.client import Client

from gateway.usage.store.errors import unavailable

CHUNK_BYTES = 256 * 1024

Parameters = Mapping[str, Any]


class ExportStream(Protocol):
    """A stream of bytes. Both methods block, and may be called on any thread."""

    def read(self) -> bytes:
        """Return the next chunk, empty at the end. Raises errors of the query, also after good chunks."""

    def close(self) -> None:
        """Cancel the query if it still runs, and close its connection. Waits for a running `read`."""


def open_export_stream(
    connect: Callable[[], Client], is_embedded: bool, sql: str, parameters: Parameters, fmt: str
) -> ExportStream:
    """Start the query on a separate connection. Raises what the ClickHouse client raises."""
    if is_embedded:
        return _PipeExportStream(connect, sql, parameters, fmt)
    return _HttpExportStream(connect(), sql, parameters, fmt)


class GuardedExportStream:
    """A stream whose errors are `UsageTableUnavailable`."""

    def __init__(self, stream: ExportStream, place: str, on_close: Callable[[], None]) -> None:
        self._stream = stream
        self._place = place
        self._on_close = on_close

    def read(self) -> bytes:
        try:
            return self._stream.read()
        except Exception as error:
            raise unavailable(error, self._place) from error

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._on_close()


class _HttpExportStream:
    def __init__(self, client: Client, sql: str, parameters: Parameters, fmt: str) -> None:
        self._client = client
        self._reading = threading.Lock()
        try:
            self._response = cast(io.IOBase, client.raw_stream(sql, dict(parameters), fmt=fmt))
        except BaseException:
            client.close()
            raise

    def read(self) -> bytes:
        with self._reading:
            return bytes(self._response.read(CHUNK_BYTES))

    def close(self) -> None:
        with self._reading:
            self._response.close()
            self._client.close()


class _PipeExportStream:
    """From chDB, which opens the pipe by the path of its descriptor."""

    def __init__(self, connect: Callable[[], Client], sql: str, parameters: Parameters, fmt: str) -> None:
        self._connect = connect
        self._client = connect()
        self._read_end, self._write_end = os.pipe()
        self._query_prefix = f"INSERT INTO FUNCTION file('/dev/fd/{self._write_end}', '{fmt}')"
        self._reading = threading.Lock()
        self._done: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._write, args=(f"{self._query_prefix} {sql}", dict(parameters)), name="usage-export", daemon=True
        )
        self._thread.start()

    def read(self) -> bytes:
        with self._reading:
            chunk = os.read(self._read_end, CHUNK_BYTES)
            if not chunk:
                self._done.result()
            return chunk

    def close(self) -> None:
        with self._reading:
            if self._read_end < 0:
                return
            # Closing the pipe does not stop the engine.
            os.close(self._read_end)
            self._read_end = -1
            while self._thread.is_alive():
                self._kill_query()
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
            # The reader sees the end of the pipe only now, when the result of the query is known.
            os.close(self._write_end)

    def _kill_query(self) -> None:
        client = self._connect()
        try:
            client.command("KILL QUERY WHERE startsWith(query, {prefix:String}) ASYNC", {"prefix": self._query_prefix})
        finally:
            client.close()
