"""Bounded, read-only access to the price tables.

- A reader can do nothing but read the tables: the file is opened read-only and immutable, `query_only` is on, an
  authorizer allows only SELECT on the tables and `sqlite_master`, and the file is unlinked before the first query.
- Every query has bounds: time, rows, bytes of the result, length of a value and of the statement. SQLite's heap is
  bounded for the process.
- At most READERS queries run concurrently. A query that gets no reader within BUSY_SECONDS fails.
- Calls block: run them in a worker thread.
"""

from __future__ import annotations

import math
import queue
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcp_backend.errors import CallerError
from mcp_backend.prices import Series, write_database
from mcp_backend.schema import TABLE_NAMES, TABLES

READERS: Final = 4
BUSY_SECONDS: Final = 5.0
QUERY_SECONDS: Final = 2.0
RESULT_BYTES: Final = 1_000_000
HEAP_BYTES: Final = 32 * 1024 * 1024
STEPS_BETWEEN_CHECKS: Final = 10_000  # well under a millisecond of SQLite's virtual machine

_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 50_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_SCHEMA_ROOT: Final = 1
_FORBIDDEN_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer"})
_READABLE: Final = frozenset({*TABLE_NAMES, "sqlite_master"})

Value = str | int | float | None


@dataclass(frozen=True)
class QueryResult:
    """The rows of a query; `truncated` is True if there were more."""

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    truncated: bool


class Reader:
    """A read-only connection for one query at a time; `Database.reader` provides it."""

    def __init__(self, path: Path) -> None:
        # A cached statement would keep its part of the heap that all queries share.
        self._connection = sqlite3.connect(
            f"{path.as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=0,
        )
        self._deadline = 0.0
        roots = self._connection.execute("SELECT rootpage, name FROM sqlite_schema WHERE type = 'table'")
        self._tables: dict[int, str] = {_SCHEMA_ROOT: "sqlite_schema", **dict(roots)}
        self._restrict()

    def _restrict(self) -> None:
        connection = self._connection
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        # Sorters and temporary tables count against the heap limit instead of filling a disk.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA hard_heap_limit = {HEAP_BYTES}")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        for category, limit in _LIMITS.items():
            connection.setlimit(category, limit)
        connection.set_progress_handler(self._is_past_deadline, STEPS_BETWEEN_CHECKS)
        connection.set_authorizer(self._authorize)

    def _is_past_deadline(self) -> bool:
        return time.monotonic() > self._deadline

    def _authorize(
        self, action: int, first: str | None, second: str | None, database: str | None, source: str | None
    ) -> int:
        if action == sqlite3.SQLITE_READ:
            # The column is empty if rows are only counted; the name may then be that of a CTE.
            readable = not second or (first or "").lower() in _READABLE
            return sqlite3.SQLITE_OK if readable else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_DENY if second in _FORBIDDEN_FUNCTIONS else sqlite3.SQLITE_OK
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def read(
        self,
        sql: str,
        parameters: Sequence[Value] | Mapping[str, Value] = (),
        *,
        max_rows: int,
        max_seconds: float = QUERY_SECONDS,
    ) -> QueryResult:
        """Return the first `max_rows` rows of one SELECT.

        Raises CallerError with SQLite's message, or with the bound that was exceeded.
        """
        self._deadline = time.monotonic() + max_seconds
        try:
            with closing(self._connection.execute(sql, parameters)) as cursor:
                if cursor.description is None:
                    raise CallerError("there is no statement in the text; write one SELECT")
                columns = tuple(column[0] for column in cursor.description)
                return QueryResult(columns, *_fetch(cursor, max_rows))
        except sqlite3.OperationalError as error:
            if str(error) == "interrupted":
                message = f"the query was stopped after {max_seconds:g} seconds, the limit for one query"
                raise CallerError(message) from error
            raise CallerError(_with_signatures(str(error))) from error
        except MemoryError as error:
            raise CallerError(f"the query needs more than {HEAP_BYTES >> 20} MiB of memory") from error
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise CallerError(_with_signatures(str(error))) from error

    def tables_read(self, sql: str) -> tuple[str, ...]:
        """Return the names of the tables that a valid statement opens, also in sub-queries and joins.

        They come from SQLite's program for the statement, because a CTE may have the name of a table, and the
        authorizer is not called for the columns of USING.
        """
        self._deadline = time.monotonic() + QUERY_SECONDS
        try:
            with closing(self._connection.execute(f"EXPLAIN {sql}")) as program:
                roots = {page for _, operation, _, page, *_ in program if operation == "OpenRead"}
        except sqlite3.OperationalError:
            return ()  # The statement is an EXPLAIN itself, which reads no table.
        return tuple(sorted(self._tables[root] for root in roots))

    def close(self) -> None:
        self._connection.close()


class Database:
    """The prices in a private file, with a pool of readers. Use it as a context manager, or call `close`."""

    def __init__(self, prices: Mapping[str, Series]) -> None:
        self._readers: queue.LifoQueue[Reader] = queue.LifoQueue(READERS)
        with tempfile.TemporaryDirectory(prefix="mcp_backend-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "prices.db"
            write_database(path, prices)
            for _ in range(READERS):
                self._readers.put_nowait(Reader(path))
        # The folder is removed while the files stay open, so that even a killed process leaves nothing behind.

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Take a reader from the pool. Raises CallerError if all stay busy."""
        try:
            reader = self._readers.get(timeout=BUSY_SECONDS)
        except queue.Empty:
            raise CallerError("the database is busy; try again in a few seconds") from None
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)

    def close(self) -> None:
        """Close the readers that are not in use."""
        while not self._readers.empty():
            self._readers.get_nowait().close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _fetch(cursor: sqlite3.Cursor, max_rows: int) -> tuple[list[tuple[Value, ...]], bool]:
    rows: list[tuple[Value, ...]] = []
    size = 0
    # Row by row: many rows of the maximum width would not fit into memory.
    for raw in cursor:
        row = tuple(_to_json_value(value) for value in raw)
        size += sum(_size(value) for value in row)
        if len(rows) == max_rows or (rows and size > RESULT_BYTES):
            return rows, True
        if size > RESULT_BYTES:
            raise CallerError(f"one row of the result is over {RESULT_BYTES:,} bytes; select less of it")
        rows.append(row)
    return rows, False


def _to_json_value(value: Any) -> Value:
    """Convert a value to one that JSON can represent: blobs to hexadecimal digits, infinities to text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value  # type: ignore[no-any-return]


def _size(value: Value) -> int:
    return len(value) if isinstance(value, str) else 8


def _with_signatures(message: str) -> str:
    tables = "; ".join(table.signature for table in TABLES)
    return f"{message.rstrip('.')}. Only one SELECT statement over these tables is allowed: {tables}"
