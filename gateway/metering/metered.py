"""The answer of the metering, and the value that the parts of it hand to each other.

Rules: `records` is the number of records that the client was handed, never the number that exist. What cannot be
known is `None` with the method `unknown`; there are no estimates.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

UNKNOWN = "unknown"
RULE = "rule"
"""The operator's rule for the tool says so."""
ERROR = "error"
DECLARED = "declared"
"""The result names its table and holds its rows, or says how many it returned."""


class Metered(msgspec.Struct, frozen=True):
    """Which tables a call read, how many records it returned, and how that was found.

    The methods: `rule`; `declared` and `structured` (from `structuredContent`); `json_text`, `ndjson_text`,
    `repr_text`, `csv_text`, `tsv_text`, `markdown_text`, `box_text`, `columns_text`, `frame_text`, `rows_text`,
    `blocks_text`, `fields_text`, `yaml_text`, `html_text`, `xml_text`, `names_text`, `lines_text`, `scalar_text`
    (from a text in that form); `no_records_text`, `affected_rows_text`, `empty_text`, `no_content`,
    `write_statement`, `error` (nothing was returned); `resource_links`; `unknown`.
    """

    tables: tuple[str, ...]
    """Lower case, without quotes, qualified as they were written; sorted."""
    records: int | None
    method: str
    fault: str | None = None
    """Why the operator's rule for the tool did not answer, if it failed; it holds nothing of the call."""


class Confidence(IntEnum):
    """How much a count is worth; where two parts of a result answer, the higher grade is taken."""

    NONE = 0
    OBJECT = 1
    """One object without a list: a record only where the call is known to read a table."""
    DECLARED = 2
    """A number in the result without the records that it counts."""
    COUNTED = 3
    """Records that are there and were counted, or a statement that there are none."""
    FAILED = 4
    """The result says that the call failed: nothing was returned."""


class Count(msgspec.Struct, frozen=True):
    """What one part of a result says about the number of records in it."""

    records: int | None
    method: str
    grade: Confidence
    tables: tuple[str, ...] = ()
    """Tables that this part names as its source."""


NOTHING = Count(None, UNKNOWN, Confidence.NONE)
FAILURE = Count(0, ERROR, Confidence.FAILED)


def counted(records: int, method: str, tables: tuple[str, ...] = ()) -> Count:
    """`records` were there and were counted."""
    return Count(records, method, Confidence.COUNTED, tables)


_QUOTES = {ord(sign): None for sign in "`\"[]'"}


def plain_table(name: str) -> str:
    """A table's name as it is reported: lower case, without quotes."""
    if name.isidentifier():
        return name.lower()
    return name.strip().translate(_QUOTES).lower()


MAX_TABLE_NAME = 256
"""Characters; what is longer is no name."""


def read_table(value: object) -> str | None:
    """The table that a member of a result names, or `None` where it names none."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TABLE_NAME or "\n" in value:
        return None
    return plain_table(value) or None
