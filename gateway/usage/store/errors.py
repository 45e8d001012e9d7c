"""Classification of ClickHouse errors, with messages that name the fix.

The writer distinguishes two: after `UsageTableUnavailable` it repeats the same batch later; after `UsageRefused` it
searches the event at fault. Only errors that are known to be about the content count as refused: an unforeseen error
must never lose events.
"""

from __future__ import annotations

import struct

from clickhouse_connect.driver.exceptions import DataError

from gateway.usage.store.migrations.migrate import DatabaseIsNewer

_CLIENT_CONTENT_ERRORS = (DataError, struct.error, ValueError, TypeError, OverflowError)
_CONTENT_CODES = frozenset({6, 25, 26, 27, 38, 41, 53, 69, 70, 72, 117, 130, 131, 321, 349, 407, 469, 576, 621})
"""Parsing, conversion, ranges, lengths and constraints (ClickHouse's `ErrorCodes.cpp`)."""
_CREDENTIAL_CODES = frozenset({192, 193, 194, 497, 516})
_SCHEMA_CODES = frozenset({16, 60, 81})


class UsageTableUnavailable(Exception):
    """ClickHouse cannot be used now; the message names the fix."""


class UsageRefused(Exception):
    """ClickHouse or its client refused an insert for its content. This attempt inserted nothing."""


def classify_error(error: Exception, place: str) -> UsageTableUnavailable | UsageRefused:
    """Return the exception for an error of the ClickHouse client; `place` is the URL without credentials."""
    code = getattr(error, "code", None)
    if isinstance(error, _CLIENT_CONTENT_ERRORS) or code in _CONTENT_CODES:
        return UsageRefused(first_line(error))
    return unavailable(error, place)


def unavailable(error: Exception, place: str) -> UsageTableUnavailable:
    """Return an exception whose message names the fault and the fix."""
    code = getattr(error, "code", None)
    text = first_line(error)
    if isinstance(error, DatabaseIsNewer):
        message = text
    elif code in _CREDENTIAL_CODES:
        message = (
            f"ClickHouse at {place} refuses the user or password of GATEWAY_CLICKHOUSE_URL, "
            f"or the user has too few rights on the database: {text}"
        )
    elif code in _SCHEMA_CODES:
        message = f"ClickHouse at {place} lacks a table of the gateway; restart the gateway to create it: {text}"
    elif "EmbeddedServer already initialized" in text:
        message = f"{place} cannot be opened: this process has another chDB folder open"
    elif "Error initializing EmbeddedServer" in text:
        message = (
            f"{place} cannot be opened: another process has it open, or it cannot be written. "
            "Stop the other process, or set another GATEWAY_DATA_DIR or GATEWAY_CLICKHOUSE_URL"
        )
    elif isinstance(error, ImportError):
        message = f"{place} needs chDB: pip install 'mcp-key-gateway[embedded]', or set GATEWAY_CLICKHOUSE_URL"
    elif code is not None:
        message = f"ClickHouse at {place} answers with an error: {text}"
    else:
        message = f"ClickHouse at {place} cannot be reached, check GATEWAY_CLICKHOUSE_URL: {text}"
    return UsageTableUnavailable(message)


def first_line(error: BaseException) -> str:
    """Return the error as one line of at most 500 characters."""
    text = str(error).strip().split("\n", 1)[0].split(", Stack trace", 1)[0]
    return text[:500] or type(error).__name__
