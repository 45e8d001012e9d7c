"""ES|QL, the piped language of Elasticsearch: the indices are in `FROM` and `TS`, and in `LOOKUP JOIN`.

The language has no functions of users, and a sub-query begins with `FROM`. An index with a wildcard is named as it is
written; the tables are then not exhaustive.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import MARK, Lexer, Nodes, find_word, split
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(
    comments=("//", "/*"),
    strings=('"""', '"'),
    names="`",
    word_characters=r"\w*.@:\-",
    marks=r"/\*|==|=~|!=|<=|>=",
)
_SOURCES = ("from", "ts")
_COMMANDS = word_set(
    "where eval stats inlinestats inline keep drop rename sort limit dissect grok mv_expand change_point sample fuse "
    "row show fork completion rerank"
)
"""Commands that read no other index."""
_BRANCH_COMMANDS = _COMMANDS | {"lookup", "enrich"}
"""Commands with which a branch of `FORK` begins."""


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a query; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    *settings, query = split(nodes, ";")
    if not query or any(not one or one[0].word != "set" for one in settings):
        return None
    sources = Sources(text)
    if settings:
        sources.reach_more()  # a setting may route the query to other projects
    if not _read_query(query, sources):
        return None
    return sources.analysis(is_plan=query[0].word == "explain")


def _read_query(nodes: Nodes, sources: Sources) -> bool:
    """Read a pipeline, from its source on; return False if it is not understood."""
    first = nodes[0].word
    if first == "explain" and len(nodes) == 2:
        return bool(nodes[1].nodes) and _read_query(nodes[1].nodes, sources)
    if first not in (*_SOURCES, "row", "show"):
        return False
    for command in split(nodes, "|"):
        if not command:
            return False
        _read_command(command, sources)
    return True


def _read_command(nodes: Nodes, sources: Sources) -> None:
    name = nodes[0].word
    rest = nodes[1:]
    if name in _SOURCES:
        for source in split(rest[: find_word(rest, "metadata", "options")], ","):
            _read_source(source, sources)
    elif (name == "lookup" and rest and rest[0].word == "join") or name == "join":
        _read_source(rest[1:][: find_word(rest[1:], "on", "as")], sources)
    elif name not in _COMMANDS:
        sources.reach_more()  # `ENRICH` reads an index of its policy
    if name not in _SOURCES:
        _read_groups(rest, sources)


def _read_source(nodes: Nodes, sources: Sources) -> None:
    if len(nodes) != 1 or nodes[0].kind == MARK:
        sources.reach_more()
    elif nodes[0].kind == "(" and nodes[0].nodes and nodes[0].nodes[0].word in _SOURCES:
        _read_groups(nodes, sources)
    elif nodes[0].nodes:
        sources.reach_more()
    else:
        for name in nodes[0].text.split(","):
            if name.startswith("-"):
                sources.reach_more()  # excludes an index
            else:
                sources.add(name)


def _read_groups(nodes: Nodes, sources: Sources) -> None:
    """Read the sub-queries among `nodes`."""
    for node in nodes:
        inside = node.nodes
        if inside and inside[0].word in _SOURCES and len(inside) > 1 and not inside[1].is_mark(","):
            if not _read_query(inside, sources):
                sources.reach_more()
        elif inside and any(one.is_mark("|") for one in inside):
            for command in split(inside, "|"):
                if command:
                    _read_command(command, sources)
        elif inside:
            if inside[0].word in _BRANCH_COMMANDS and node.kind == "(" and len(inside) > 1:
                _read_command(inside, sources)
            else:
                _read_groups(inside, sources)
