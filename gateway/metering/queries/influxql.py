"""InfluxQL, NRQL and SurrealQL: the measurements, or types of events, are in `FROM`, qualified as in the query.

The languages resemble SQL, but a parser of SQL fails at regular expressions, `fill(…)`, durations and `SINCE`. They
have no functions of users. A regular expression in `FROM` names no measurement; the tables are then not exhaustive.
"""

from __future__ import annotations

import msgspec

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import REGEX, Lexer, Node, Nodes, find_word, split

_LEXER = Lexer(
    comments=("--", "/*"),
    strings="'",
    names='"`',
    marks=r"/\*|=~|!~|!=|<>|<=|>=|::",
    before_regex=frozenset(("select", "from", "by", ",", "(", "=~", "!~", ".", "=", "measurement", "into")),
)
_CLAUSES = (
    *("where", "group", "order", "limit", "offset", "slimit", "soffset", "fill", "tz", "with"),
    *("select", "since", "until", "facet", "timeseries", "compare", "extrapolate"),
)


def read(text: str) -> QueryAnalysis | None:
    """Return the measurements of statements; `None` if they are not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    sources = Sources(text)
    is_plan = returns_rows = False
    for statement in split(nodes, ";"):
        if not statement:
            continue
        first = statement[0].word
        if first == "explain":
            is_plan = len(statement) < 2 or statement[1].word != "analyze"
            statement = statement[1 if is_plan else 2 :]
            first = statement[0].word if statement else ""
        if first == "select":
            returns_rows = _read_select(statement, sources) or returns_rows
        elif first == "show":
            _read_show(statement, sources)
            returns_rows = True
        elif first in ("delete", "drop", "create", "alter", "grant", "revoke", "kill", "set"):
            _read_change(statement, sources)
        else:
            return None
    return sources.analysis(returns_rows=returns_rows, is_plan=is_plan)


def read_nrql(text: str) -> QueryAnalysis | None:
    """Return the types of events of an NRQL query; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes or nodes[0].word not in ("select", "from") or find_word(nodes, "from") == len(nodes):
        return None
    sources = Sources(text)
    if "//" in text or "\\" in text:
        sources.reach_more()  # a comment or a part of a regular expression; an escape or a character
    _read_select(nodes, sources)
    return sources.analysis()


def read_surrealql(text: str) -> QueryAnalysis | None:
    """Return the tables of a query of SurrealDB. Its fields may be links to records of any other table."""
    found = read_nrql(text)
    return None if found is None else msgspec.structs.replace(found, is_exhaustive=False)


def _read_select(nodes: Nodes, sources: Sources) -> bool:
    """Read a `SELECT`; return True if its rows are returned and not written."""
    start = find_word(nodes, "from")
    into = find_word(nodes[:start], "into")
    if into < start:
        name, _ = _measurement(nodes[into + 1 : start])
        sources.write(name)
    if start == len(nodes):
        sources.reach_more()
        return True
    rest = nodes[start + 1 :]
    end = find_word(rest, *_CLAUSES)
    for source in split(rest[:end], ","):
        if len(source) == 1 and _is_query(source[0]):
            _read_select(source[0].nodes, sources)
        else:
            _read_source(source, sources)
    _read_nested((*nodes[:start], *rest[end:]), sources)
    return into >= start


def _read_nested(nodes: Nodes, sources: Sources) -> None:
    """Read the sub-queries among the expressions of a query."""
    for node in nodes:
        if _is_query(node):
            _read_select(node.nodes, sources)
        elif node.nodes:
            _read_nested(node.nodes, sources)


def _is_query(node: Node) -> bool:
    return node.kind == "(" and bool(node.nodes) and node.nodes[0].word in ("select", "from")


def _read_source(nodes: Nodes, sources: Sources) -> None:
    name, rest = _measurement(nodes)
    sources.add(name)
    if rest:
        sources.reach_more()


def _measurement(nodes: Nodes) -> tuple[str, Nodes]:
    """Return the name in `m`, `"rp"."m"` or `"db".."m"`, and what follows it; an empty name for another source."""
    parts: list[str] = []
    at = 0
    while at < len(nodes):
        node = nodes[at]
        if node.kind == REGEX:
            return "", nodes[at + 1 :]
        if node.is_identifier:
            parts.append(node.text)
        elif not node.is_mark("."):
            break
        elif at + 1 < len(nodes) and nodes[at + 1].is_mark(":"):
            return "", nodes[at:]
        at += 1
        if at < len(nodes) and node.is_identifier and not nodes[at].is_mark("."):
            break
    return ".".join(parts), nodes[at:]


def _read_show(nodes: Nodes, sources: Sources) -> None:
    """Read `SHOW FIELD KEYS FROM m` and the like; without a measurement, it lists names."""
    start = find_word(nodes, "from")
    sources.lists_names = start == len(nodes)
    if sources.lists_names or find_word(nodes, "on") < start:
        sources.reach_more()  # `ON` is followed by another database
    rest = nodes[start + 1 :]
    for source in split(rest[: find_word(rest, *_CLAUSES)], ",") if rest else ():
        _read_source(source, sources)


def _read_change(nodes: Nodes, sources: Sources) -> None:
    at = min(find_word(nodes, "from"), find_word(nodes, "measurement"))
    rest = nodes[at + 1 :]
    name, _ = _measurement(rest[: find_word(rest, *_CLAUSES)])
    sources.write(name)
