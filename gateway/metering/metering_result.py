"""The result of metering a call, and `Count`, the intermediate result of its parts.

`records` is the number of records that were returned to the client, never the number that exist. There are no
estimates: an unknown number is `None`, with the method `unknown`.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from gateway.metering.confidence import Sign

UNKNOWN = "unknown"
RULE = "rule"
"""The operator's rule for the tool gave the number."""
ERROR = "error"
WRITE_STATEMENT = "write_statement"
"""The call's SQL returns no rows."""
DECLARED = "declared"
"""The result names its table and holds its rows, or states how many it returned."""


class MeteringResult(msgspec.Struct, frozen=True):
    """The tables that a call read, the number of records that it returned, and how that number was found.

    The methods: `rule`; `declared` and `structured` (from `structuredContent`); `json_text`, `ndjson_text`,
    `repr_text`, `csv_text`, `tsv_text`, `markdown_text`, `box_text`, `columns_text`, `frame_text`, `rows_text`,
    `blocks_text`, `fields_text`, `yaml_text`, `html_text`, `xml_text`, `names_text`, `lines_text`, `scalar_text`
    (from a text in that format); `no_records_text`, `affected_rows_text`, `empty_text`, `no_content`,
    `write_statement`, `error` (nothing was returned); `resource_links`; `unknown`.
    """

    tables: tuple[str, ...]
    """In lower case, without quotes, qualified as in the call or its result; sorted."""
    records: int | None
    method: str
    rule_error: str | None = None
    """Error of the operator's rule for the tool; `None` without one. Contains no data of the call."""
    written: tuple[str, ...] = ()
    """The tables that the call wrote, by its arguments; in the form of `tables`."""
    confidence: float | None = None
    """The probability that the number is right, from 0 to 1; `None` without a count. Below
    `gateway.metering.confidence.THRESHOLD` the number is unknown."""
    path: str = ""
    """The place of the records, such as `structuredContent.data.rows`; never values."""
    witness: str = ""
    """The member or line that states the number of records, such as `structuredContent.row_count`."""
    signs: tuple[Sign, ...] = ()
    """Observations for and against the number."""


MAX_PATH = 120
"""Characters of a path."""
MAX_PATH_NAME = 40
"""Characters of a member's name in a path."""


def join_path(name: str, path: str) -> str:
    """Return the path of the value at `path` within the member `name`; `*` for a name that may be data."""
    step = name if len(name) <= MAX_PATH_NAME and name.isascii() and name.isidentifier() else "*"
    return f"{step}.{path}"[:MAX_PATH] if path else step


class CountKind(IntEnum):
    """Kind of a count; if several parts of a result give a count, the highest kind wins."""

    NONE = 0
    OBJECT = 1
    """One object without a list: a record only if the call is known to read a table."""
    STATED = 2
    """A number that the result states, without the records themselves."""
    COUNTED = 3
    """Records that are present and were counted, or a statement that there are none."""
    FAILED = 4
    """The result reports an error: no record was returned."""


class Count(msgspec.Struct, frozen=True):
    """The number of records in one part of a result."""

    records: int | None
    method: str
    kind: CountKind
    tables: tuple[str, ...] = ()
    """Tables that this part names as its source."""
    signs: tuple[Sign, ...] = ()
    """Observations for and against the number."""
    path: str = ""
    """The place of the records within the part."""
    witness: str = ""
    """The place of the number that the part states."""

    def under(self, name: str, *signs: Sign) -> Count:
        """Return the count of a part in which this one is the member `name`, with further signs."""
        path, witness = join_path(name, self.path), self.witness and join_path(name, self.witness)
        return msgspec.structs.replace(self, path=path, witness=witness, signs=self.signs + signs)

    def at(self, path: str) -> Count:
        """Return the count with its path."""
        return msgspec.structs.replace(self, path=path)

    def stated_by(self, witness: str, *signs: Sign) -> Count:
        """Return the count with the place of a number that is stated for it, and with further signs."""
        return msgspec.structs.replace(self, witness=witness, signs=self.signs + signs)

    def with_signs(self, *signs: Sign) -> Count:
        """Return the count with further signs."""
        return msgspec.structs.replace(self, signs=self.signs + signs) if signs else self


UNKNOWN_COUNT = Count(None, UNKNOWN, CountKind.NONE)
FAILURE = Count(0, ERROR, CountKind.FAILED, (), (Sign.ERROR,))


def counted(records: int, method: str, tables: tuple[str, ...] = (), signs: tuple[Sign, ...] = ()) -> Count:
    """Return a `Count` of records that are present."""
    return Count(records, method, CountKind.COUNTED, tables, signs)
