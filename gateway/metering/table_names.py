"""Names of tables, in the form in which they are reported."""

from __future__ import annotations

MAX_TABLE_NAME = 256
"""Characters; a longer text is not taken as a name."""

_QUOTES = {ord(quote): None for quote in "`\"[]'"}


def normalize_table(name: str) -> str:
    """Return a table's name in lower case, without quotes and brackets."""
    if name.isidentifier():
        return name.lower()
    return name.strip().translate(_QUOTES).lower()


def read_table_name(value: object) -> str | None:
    """Return the table that the value of a result's member names, normalized; `None` if it is not a name."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TABLE_NAME or "\n" in value:
        return None
    return normalize_table(value) or None
