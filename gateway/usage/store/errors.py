"""Whose fault it is when ClickHouse does not do what it was asked.

Two answers matter to the writer: `UsageTableUnavailable` (send the same batch again later) and
`UsageRefused` (this content never goes in, find the event that it is about). Only what is known to be about
the content counts as refused; a fault that nobody foresaw must never cost events.
"""

from __future__ import annotations

import struct

from clickhouse_connect.driver.exceptions import DataError

from gateway.usage.store.migrate import DatabaseIsNewer

_CLIENT_REFUSES = (DataError, struct.error, ValueError, TypeError, OverflowError)
_CONTENT = frozenset({6, 25, 26, 27, 38, 41, 53, 69, 70, 72, 117, 130, 131, 321, 349, 407, 469, 576, 621})
"""Parsing, converting, ranges, lengths and constraints (ClickHouse's `ErrorCodes.cpp`)."""
_CREDENTIALS = frozenset({192, 193, 194, 497, 516})
_SCHEMA = frozenset({16, 60, 81})


class UsageTableUnavailable(Exception):
    """ClickHouse cannot be used now; the message says what to mend."""


class UsageRefused(Exception):
    """ClickHouse, or its client, refused an insert for its content. Nothing of it was inserted before."""


def judged(error: Exception, place: str) -> UsageTableUnavailable | UsageRefused:
    """Sort what the ClickHouse client raised; `place` is the URL without credentials."""
    code = getattr(error, "code", None)
    if isinstance(error, _CLIENT_REFUSES) or code in _CONTENT:
        return UsageRefused(first_line(error))
    return unavailable(error, place)


def unavailable(error: Exception, place: str) -> UsageTableUnavailable:
    """Say what is wrong, and the mend."""
    code = getattr(error, "code", None)
    text = first_line(error)
    if isinstance(error, DatabaseIsNewer):
        message = text
    elif code in _CREDENTIALS:
        message = (
            f"ClickHouse at {place} refuses the user or password of GATEWAY_CLICKHOUSE_URL, "
            f"or the user has too few rights on the database: {text}"
        )
    elif code in _SCHEMA:
        message = f"ClickHouse at {place} lacks a table of the gateway, restart to make it: {text}"
    elif "EmbeddedServer already initialized" in text:
        message = f"{place} cannot be opened: this process has another chDB folder open"
    elif "Error initializing EmbeddedServer" in text:
        message = (
            f"{place} cannot be opened: another process has it open, or it cannot be written. "
            "End the other process, or set another GATEWAY_DATA_DIR or GATEWAY_CLICKHOUSE_URL"
        )
    elif isinstance(error, ImportError):
        message = f"{place} needs chDB: pip install 'mcp-key-gateway[embedded]', or set GATEWAY_CLICKHOUSE_URL"
    elif code is not None:
        message = f"ClickHouse at {place} answers with an error: {text}"
    else:
        message = f"ClickHouse at {place} cannot be reached, check GATEWAY_CLICKHOUSE_URL: {text}"
    return UsageTableUnavailable(message)


def first_line(error: BaseException) -> str:
    """The error in at most 500 characters of one line."""
    text = str(error).strip().split("\n", 1)[0].split(", Stack trace", 1)[0]
    return text[:500] or type(error).__name__
