"""Flux, AQL, DAX, the shell of MongoDB and GraphQL: the tables that a program names, by patterns.

Programs can call functions that read anything, so their tables are never exhaustive: patterns are enough.
"""

from __future__ import annotations

import re
from functools import partial

import msgspec

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import BLOCK_COMMENT, LINE_COMMENT, MAX_QUERY_CHARACTERS


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_NEVER = _pattern(r"(?!)")
_PLAIN = r"(?!\d)[\w-]{1,120}(?![\w-])(?!\s*[(.])"
_NAME = rf"(`[^`\n]{{1,120}}`|{_PLAIN})"
_STRING = r"[\"']([^\"'\n]{1,120})[\"']"
_COLLECTION = rf"(?<![\w.$-])db\s*\.\s*(?:getCollection\(\s*{_STRING}\s*\)|([\w.$-]{{1,50}}))\s*\.\s*"


class Program(msgspec.Struct, frozen=True):
    """The patterns of a language. The groups of a pattern are names: of one table, or of several between commas."""

    mark: re.Pattern[str]
    """A text without it is no program of the language."""
    read: re.Pattern[str]
    written: re.Pattern[str] = _NEVER
    otherwise: re.Pattern[str] = _NEVER
    """Sources that count only if there is no other."""
    variable: re.Pattern[str] = _NEVER
    """Names that are no tables."""
    listing: re.Pattern[str] = _NEVER
    """Calls that list names of tables, if they name none."""
    returning: re.Pattern[str] | None = None
    """Code that returns rows; by default, a program that reads does."""
    is_named: bool = False
    """True if a text that names no table is no program of the language."""
    skipped: re.Pattern[str] = _pattern(rf"(\"(?:[^\"\\]|\\.)*\")|{LINE_COMMENT}|{BLOCK_COMMENT}")
    """Comments; strings, in a group, are kept."""


FLUX = Program(
    mark=_pattern(""),
    read=_pattern(r"\b_measurement\"?\]?\s*==\s*\"([^\"\n]{1,120})\"|\bmeasurement\s*:\s*\"([^\"\n]{1,120})\""),
    written=_pattern(rf"\b(?:wide)?to\s*\([^()]{{0,200}}?\bbucket\s*:\s*{_STRING}"),
    otherwise=_pattern(rf"\bfrom\s*\([^()]{{0,200}}?\bbucket\s*:\s*{_STRING}"),
    is_named=True,
    listing=_pattern(r"\b(?:buckets|databases|measurement\w{0,20}|tagkeys|tagvalues|fieldkeys|cardinality)\s*\("),
)
"""Without a measurement, the bucket is the table."""
AQL = Program(
    mark=_pattern(r"\A\s*(?:for|let|return|with|insert|update|replace|upsert|remove)\b"),
    read=_pattern(
        rf"\bfor\s+\w+(?:\s*,\s*\w+){{0,2}}\s+in\s+{_NAME}|\b(?:length|count)\s*\(\s*{_NAME}\s*\)|"
        r"\bdocument\s*\(\s*(?:[\"']([\w-]{1,120})/|([\w-]{1,120})\s*[,)])|"
        rf"\b(?:out|in)bound\s+[^\s,]{{1,120}}\s+(?!graph\b)({_PLAIN}(?:\s*,\s*(?:(?:outbound|inbound|any)\s+)?{_PLAIN}){{0,9}})"
    ),
    written=_pattern(rf"\b(?:insert|update|replace|upsert|remove)\b[^;]{{0,150}}?\b(?:into|in)\s+{_NAME}"),
    variable=_pattern(r"\b(?:for|let)\s+(\w+(?:\s*,\s*\w+){0,2})"),
    returning=_pattern(r"\breturn\b"),
)
SHELL = Program(
    mark=_pattern(r"\bdb\s*\."),
    read=_pattern(
        rf"{_COLLECTION}(?:find|findOne|aggregate|count\w*|estimatedDocumentCount|distinct|getIndexes|stats)\s*\("
        rf"|\bfrom[\"']?\s*:\s*{_STRING}"
    ),
    written=_pattern(
        rf"{_COLLECTION}(?:find(?!One\s*\()\w+|insert\w*|update\w*|delete\w*|remove|replaceOne|drop|bulkWrite|createIndex|"
        r"save|rename\w*)\s*\("
    ),
    is_named=True,
    skipped=_NEVER,
)
DAX = Program(
    mark=_pattern(r"\bevaluate\b"),
    read=_pattern(r"'([^'\n]{1,120})'|\b([A-Za-z_]\w{0,120})\[|\bevaluate\s+(\w{1,120})\s*(?:\Z|order\b)"),
    skipped=_pattern(rf'"(?:[^"]|"")*"|{LINE_COMMENT}|--[^\n]*|{BLOCK_COMMENT}'),
)


def read(text: str, program: Program) -> QueryAnalysis | None:
    """Return the tables of a program; `None` if it names none, or is none of the language."""
    if len(text) > MAX_QUERY_CHARACTERS:
        return None
    plain = program.skipped.sub(lambda match: match[1] or " " if match.re.groups else " ", text)
    if program.mark.search(plain) is None:
        return None
    sources = Sources(text)
    sources.reach_more()
    variables = set(_names(program.variable, plain))
    for pattern, tables in ((program.read, sources.read), (program.written, sources.written)):
        for name in _names(pattern, plain):
            if name not in variables:
                sources.add(name, tables)
    others = _names(program.otherwise, plain)
    for name in others if not sources.read else ():
        sources.add(name)
    sources.lists_names = not sources.read and program.listing.search(plain) is not None
    if program.is_named and not (sources.read or sources.written or others or sources.lists_names):
        return None
    if program.returning is None:
        return sources.analysis(returns_rows=bool(sources.read) or not sources.written)
    return sources.analysis(returns_rows=program.returning.search(plain) is not None)


def _names(pattern: re.Pattern[str], text: str) -> list[str]:
    found = (next(filter(None, match.groups()), "") for match in pattern.finditer(text))
    return [part.split()[-1] if "," in names else names for names in found for part in names.split(",")]


read_flux, read_aql, read_shell, read_dax = (partial(read, program=one) for one in (FLUX, AQL, SHELL, DAX))


_MUTATION = _pattern(r"(?:[\s,]|#[^\n]*+\n)*mutation\b")
_READ_BESIDE = _pattern(r"\b(?:query|subscription|returning)\b")
"""An operation of another kind, a query in the result of a mutation, or rows that were written."""


def read_graphql(text: str) -> QueryAnalysis | None:
    """Read a document of GraphQL, which names no tables; one of mutations alone returns no rows."""
    is_write = _MUTATION.match(text) is not None
    returns_rows = None if is_write and _READ_BESIDE.search(text) else not is_write
    return QueryAnalysis((), (), (), returns_rows=returns_rows, is_exhaustive=False)
