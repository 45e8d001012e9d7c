"""Macros of templates in SQL: `{{ ref('orders') }}`, `{{ x }}`, `${x}`, `{% if x %}`.

A macro that names a table is replaced by the name, another one by a placeholder that is no table. Macros may stand for
anything, so the tables of a text with macros are never exhaustive.
"""

from __future__ import annotations

import re

import msgspec

from gateway.metering.queries.analysis import QueryAnalysis

_TABLE = re.compile(
    r"\{\{-?\s*(ref|source)\s*\(\s*['\"]([\w.$-]{1,128})['\"]\s*(?:,\s*['\"]([\w.$-]{1,128})['\"]\s*)?\)\s*-?\}\}",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"\{%[^%]*%\}|\{#[^#]*#\}|\[\[|\]\]")
_VALUE = re.compile(r"\{\{[^{}]*\}\}|\$\{[^{}]*\}")
_PLACEHOLDER = "__macro__"


def has_macros(sql: str) -> bool:
    """Return True if the text is a template."""
    return "{{" in sql or "{%" in sql or "${" in sql


def expand(sql: str) -> str:
    """Replace the macros in `sql` with names; a text without macros is the result."""
    text = _VALUE.sub(_PLACEHOLDER, _BLOCK.sub(" ", _TABLE.sub(_table_name, sql)))
    return text.replace("{{", " ").replace("{%", " ").replace("${", " ")


def _table_name(match: re.Match[str]) -> str:
    function, first, second = match.groups()
    if second is None:
        return str(first)
    return f"{first}.{second}" if function.lower() == "source" else str(second)


def without_placeholders(found: QueryAnalysis) -> QueryAnalysis:
    """Return the analysis of an expanded text without the names and columns that stand for macros."""
    read, written, named = (
        tuple(sorted({plain for name in names if (plain := _plain_name(name))}))
        for names in (found.read, found.written, found.named)
    )
    return msgspec.structs.replace(
        found, read=read, written=written, named=named, is_exhaustive=False, columns=None, has_one_column=False
    )


def _plain_name(name: str) -> str:
    """Return a name without the parts that are macros; empty if the last part is one."""
    parts = name.split(".")
    return "" if _PLACEHOLDER in parts[-1] else ".".join(part for part in parts if _PLACEHOLDER not in part)
