"""Names of tables, in the form in which they are reported."""

from __future__ import annotations

from functools import lru_cache

MAX_TABLE_NAME = 256
"""Characters; a longer text is not taken as a name."""

_QUOTES = {ord(quote): None for quote in "`\"[]'"}


@lru_cache(maxsize=1_024)
def _read_known(name: str) -> str | None:
    return None if "\n" in name else normalize_table(name) or None


def normalize_table(name: str) -> str:
    """Return a table's name in lower case, without quotes and brackets."""
    if name.isidentifier():
        return name.lower()
    return name.strip().translate(_QUOTES).lower()


def read_table_name(value: object) -> str | None:
    """Return the table that the value of a result's member names, normalized; `None` if it is not a name."""
    return _read_known(value) if isinstance(value, str) and len(value) <= MAX_TABLE_NAME else None
