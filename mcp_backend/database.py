"""Bounded, read-only reading of the price tables.

Rules:
- A reader cannot write or reach anything but the tables: its file is opened read-only and immutable,
  `query_only` is on, an authorizer allows nothing but SELECT over the tables of the catalogue and the schema,
  and the file has no name any more (on POSIX) when the first query runs.
- Every query is bounded: in time, in rows, in bytes of its result, in the length of a value and of the
  statement, and, for all queries of the process together, in SQLite's heap.
- At most READERS queries run at once; one that finds none free within BUSY_SECONDS is refused.
- Calls block; they belong in a worker thread.
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

from mcp_backend.catalogue import TABLE_NAMES, TABLES
from mcp_backend.data import Series, write_database
from mcp_backend.errors import CallerError

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
class Answer:
    """The rows of a query; `truncated` where there were more."""

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    truncated: bool


class Reader:
    """One read-only connection, for one query at a time. `Database.reader` lends it."""

    def __init__(self, path: Path) -> None:
        # A cached statement would go on holding its part of the heap that all queries share.
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
        connection.set_progress_handler(self._is_late, STEPS_BETWEEN_CHECKS)
        connection.set_authorizer(self._authorise)

    def _is_late(self) -> bool:
        return time.monotonic() > self._deadline

    def _authorise(
        self, action: int, first: str | None, second: str | None, database: str | None, source: str | None
    ) -> int:
        if action == sqlite3.SQLITE_READ:
            # Without a column where rows are only counted; the name may then be that of a CTE.
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
    ) -> Answer:
        """The first `max_rows` rows of one SELECT; `truncated` says that the query had more.

        Raises CallerError with SQLite's own message, or with the bound that was crossed.
        """
        self._deadline = time.monotonic() + max_seconds
        try:
            with closing(self._connection.execute(sql, parameters)) as cursor:
                if cursor.description is None:
                    raise CallerError("there is no statement in the text; write one SELECT")
                columns = tuple(column[0] for column in cursor.description)
                return Answer(columns, *_fetch(cursor, max_rows))
        except sqlite3.OperationalError as error:
            if str(error) == "interrupted":
                message = f"the query was stopped after {max_seconds:g} seconds, the most that one may take"
                raise CallerError(message) from error
            raise CallerError(_with_tables(str(error))) from error
        except MemoryError as error:
            raise CallerError(f"the query needs more than {HEAP_BYTES >> 20} MiB of memory") from error
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise CallerError(_with_tables(str(error))) from error

    def tables_read(self, sql: str) -> tuple[str, ...]:
        """The tables that a valid statement opens, in sub-queries and joins too, by name.

        Taken from SQLite's program for the statement: its text may give a CTE the name of a table, and the
        authorizer is not asked about the columns of USING.
        """
        self._deadline = time.monotonic() + QUERY_SECONDS
        try:
            with closing(self._connection.execute(f"EXPLAIN {sql}")) as program:
                roots = {page for _, operation, _, page, *_ in program if operation == "OpenRead"}
        except sqlite3.OperationalError:
            return ()  # an EXPLAIN itself: it reads none
        return tuple(sorted(self._tables[root] for root in roots))

    def close(self) -> None:
        self._connection.close()


class Database:
    """The prices in a private file, and the readers on it. Use it as a context manager or call `close`."""

    def __init__(self, prices: Mapping[str, Series]) -> None:
        self._readers: queue.LifoQueue[Reader] = queue.LifoQueue(READERS)
        with tempfile.TemporaryDirectory(prefix="mcp_backend-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "prices.db"
            write_database(path, prices)
            for _ in range(READERS):
                self._readers.put_nowait(Reader(path))
        # The folder is gone, the open files live on: not even a killed process leaves anything behind.

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A reader, for one query or several that belong together. Raises CallerError when all stay busy."""
        try:
            reader = self._readers.get(timeout=BUSY_SECONDS)
        except queue.Empty:
            raise CallerError("the database is busy; try again in a few seconds") from None
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)

    def close(self) -> None:
        """Close the readers that are not lent out."""
        while not self._readers.empty():
            self._readers.get_nowait().close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _fetch(cursor: sqlite3.Cursor, max_rows: int) -> tuple[list[tuple[Value, ...]], bool]:
    rows: list[tuple[Value, ...]] = []
    size = 0
    # Row by row: a batch of the widest rows that the limits allow would not fit in memory.
    for raw in cursor:
        row = tuple(_plain(value) for value in raw)
        size += sum(_size(value) for value in row)
        if len(rows) == max_rows or (rows and size > RESULT_BYTES):
            return rows, True
        if size > RESULT_BYTES:
            raise CallerError(f"one row of the result is over {RESULT_BYTES:,} bytes; select less of it")
        rows.append(row)
    return rows, False


def _plain(value: Any) -> Value:
    """A value as JSON can carry it: a blob as its hexadecimal digits, an infinity as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value  # type: ignore[no-any-return]


def _size(value: Value) -> int:
    return len(value) if isinstance(value, str) else 8


def _with_tables(message: str) -> str:
    tables = "; ".join(table.signature for table in TABLES)
    return f"{message.rstrip('.')}. Only one SELECT statement over these tables is allowed: {tables}"
