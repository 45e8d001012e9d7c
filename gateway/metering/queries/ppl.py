"""PPL, the piped language of OpenSearch: the indices are in `source=`, `join`, `lookup`, and sub-queries in `[ ]`.

The language has no functions of users. An index with a wildcard is named as it is written; the tables are then not
exhaustive, as with commands that are not listed here.
"""

from __future__ import annotations

from itertools import pairwise

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import STRING, Lexer, Node, Nodes, find_word, skip_options, split
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(
    comments=("//", "/*"),
    strings="\"'",
    names="`",
    word_characters=r"\w*.@:\-",
    marks=r"/\*|==|!=|<=|>=",
)
_COMMANDS = word_set(
    "where fields table dedup eval stats eventstats streamstats sort head rename top rare parse grok patterns regex "
    "rex bin timechart chart trendline fillnull flatten expand reverse spath kmeans ad ml append appendcol appendpipe "
    "multisearch subquery replace addtotals mvexpand"
)
"""Commands that read no other index, except in sub-queries."""


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a query; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    sources = Sources(text)
    if "//" in text or "/*" in text or ("`" in text and "\\" in text):
        sources.reach_more()  # not all versions have comments, and escapes in names
    is_plan = nodes[0].word == "explain"
    query = nodes[1:] if is_plan else nodes
    if query and query[0].word in ("describe", "desc") and len(query) == 2 and query[1].is_identifier:
        sources.add(query[1].text)
    elif query and query[0].word == "show":
        sources.lists_names = True
        sources.reach_more()
    elif not _read_query(query, sources):
        return None
    return sources.analysis(is_plan=is_plan)


def _read_query(nodes: Nodes, sources: Sources) -> bool:
    """Read a pipeline, from its source on; return False if it is not understood."""
    first, *commands = split(nodes, "|")
    if not _read_search(first[1:] if first and first[0].word == "search" else first, sources):
        return False
    for command in commands:
        _read_command(command, sources)
    return True


def _read_search(nodes: Nodes, sources: Sources) -> bool:
    """Read `source = a, b` and the conditions around it; return False without a source."""
    has_source = False
    at = 0
    while at < len(nodes):
        is_source = nodes[at].word in ("source", "index") and at + 2 < len(nodes) and nodes[at + 1].is_mark("=")
        if not is_source:
            _read_groups(nodes[at : at + 1], sources)
            at += 1
            continue
        at += 2
        while at < len(nodes) and (nodes[at].is_identifier or nodes[at].kind == STRING):
            for name in nodes[at].text.split(","):
                sources.add(name)
            has_source = True
            at += 1
            if at + 1 >= len(nodes) or not nodes[at].is_mark(","):
                break
            at += 1
    return has_source


def _read_command(nodes: Nodes, sources: Sources) -> None:
    name = nodes[0].word if nodes else ""
    rest = nodes[1:]
    if name == "join" or (rest and rest[0].word == "join"):
        _read_join(rest, sources)
    elif name == "lookup" and (operand := skip_options(rest)) and operand[0].is_identifier:
        sources.add(operand[0].text)
    elif name not in _COMMANDS:
        sources.reach_more()
    _read_groups(rest, sources)


def _read_join(nodes: Nodes, sources: Sources) -> None:
    """Read the right side of a join: a sub-query in brackets, or the last name, possibly with an alias."""
    if any(node.kind == "[" for node in nodes):
        return
    end = find_word(nodes, "as")
    if end and nodes[end - 1].is_identifier:
        sources.add(nodes[end - 1].text)
    sources.reach_more()  # an alias without `AS` looks like the name


def _read_groups(nodes: Nodes, sources: Sources) -> None:
    """Read the sub-queries among `nodes`."""
    for node in nodes:
        inside = node.nodes
        if inside and (inside[0].word in ("source", "index", "search") or _has_source(node)):
            if not _read_query(inside, sources):
                sources.reach_more()
        elif any(one.is_mark("|") for one in inside) or (node.kind == "[" and inside):
            for command in split(inside, "|"):
                if command:
                    _read_command(command, sources)
        else:
            _read_groups(inside, sources)


def _has_source(group: Node) -> bool:
    """Return True for a sub-query that has its source after other search terms."""
    first = split(group.nodes, "|")[0]
    names = (one.word in ("source", "index") and two.is_mark("=") for one, two in pairwise(first))
    return group.kind == "[" and any(names)
