"""DQL, the piped language of Dynatrace: the tables are in `fetch`, also in sub-queries in `[ ]`.

The language has no functions of users. Other sources (metrics, entities, lookup files) have no table; with them, with
functions that read entities, and with commands that are not listed here, the tables are not exhaustive.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import Lexer, Nodes, split
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(
    comments=("//", "/*"),
    strings=('"""', '"'),
    names="`",
    word_characters=r"\w.",
    marks=r"/\*|==|!=|<=|>=",
)
_TABLES = ("fetch", "describe")
"""Commands with the name of a table."""
_SOURCES = word_set("data timeseries metrics load smartscapenodes smartscapeedges")
"""Other commands with which a query begins."""
_COMMANDS = word_set(
    "filter filterout search fields fieldsadd fieldskeep fieldsremove fieldsrename fieldsflatten fieldssummary sort "
    "limit dedup summarize maketimeseries parse expand append join joinnested lookup"
)
"""Commands that read no other table, except in sub-queries."""
_READING_FUNCTIONS = ("entity", "classicentity", "getnode")
"""Beginnings of the names of functions that read entities."""


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a query; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    sources = Sources(text)
    return sources.analysis() if nodes and _read_query(nodes, sources) else None


def _read_query(nodes: Nodes, sources: Sources) -> bool:
    """Read a pipeline, from its source on; return False if it is not understood."""
    first, *commands = split(nodes, "|")
    name = first[0].word if first else ""
    if name in _TABLES and len(first) > 1 and first[1].is_identifier:
        sources.add(first[1].text)
        if len(first) > 2 and not first[2].is_mark(","):
            sources.reach_more()
    elif name in _SOURCES:
        sources.reach_more()
    else:
        return False
    _read_groups(first, sources)
    for command in commands:
        if not command or command[0].word not in _COMMANDS:
            sources.reach_more()
        _read_groups(command, sources)
    return True


def _read_groups(nodes: Nodes, sources: Sources) -> None:
    """Read the sub-queries among `nodes`, and note the functions that read entities."""
    for node in nodes:
        inside = node.nodes
        if node.word.startswith(_READING_FUNCTIONS):
            sources.reach_more()
        if inside and (inside[0].word in _TABLES or inside[0].word in _SOURCES):
            if not _read_query(inside, sources):
                sources.reach_more()
        else:
            _read_groups(inside, sources)
