"""SOQL and SOSL: the objects in `FROM` and `RETURNING`.

A sub-query among the fields reads a relation, whose object the query does not name; so does a field with a path. The
objects are then not exhaustive.
"""

from __future__ import annotations

import re

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import WORD, Lexer, Nodes, find_word, split

_LEXER = Lexer(strings="'\"", word_characters=r"\w.", marks=r"!=|<=|>=")
_CLAUSES = ("using", "where", "with", "group", "having", "order", "limit", "offset", "for", "all", "update")
_FIND = re.compile(r"\s*find\s*(?:\{(?:[^{}\\]|\\.)*\}|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")", re.IGNORECASE)


def read(text: str) -> QueryAnalysis | None:
    """Return the objects of a query or search; `None` if it is not understood."""
    sources = Sources(text)
    if match := _FIND.match(text):
        nodes = _LEXER.parse(text[match.end() :])
        if nodes is None:
            return None
        _read_returning(nodes, sources)
        return sources.analysis()
    nodes = _LEXER.parse(text)
    if not nodes or nodes[0].word != "select" or not _read_select(nodes, sources):
        return None
    return sources.analysis()


def _read_select(nodes: Nodes, sources: Sources) -> bool:
    """Read a `SELECT`; return False if it has no object."""
    start = find_word(nodes, "from")
    rest = nodes[start + 1 :]
    end = find_word(rest, *_CLAUSES)
    names: set[str] = set()
    for at, source in enumerate(split(rest[:end], ",")):
        words = [node.word for node in source if node.word != "as"]
        if not words or not all(words):
            return False
        names.update(words)
        if at and "." in words[0]:
            sources.reach_more()  # a relation of the first object
        else:
            sources.add(words[0])
    _read_paths(nodes[1:start], names, sources)
    _read_paths(rest[end:], names, sources)
    return True


def _read_paths(nodes: Nodes, names: set[str], sources: Sources) -> None:
    """Read the fields and semi-joins among `nodes`."""
    for at, node in enumerate(nodes):
        owner, _, field = node.word.partition(".")
        is_path = "." in node.word and not owner.isdigit()
        if is_path and (owner not in names or not field or "." in field):
            sources.reach_more()
        if node.word == "typeof":
            sources.reach_more()
        if not node.nodes:
            continue
        if node.nodes[0].word == "select":
            is_semi_join = at > 0 and nodes[at - 1].word == "in"
            if not is_semi_join or not _read_select(node.nodes, sources):
                sources.reach_more()
        else:
            _read_paths(node.nodes, names, sources)


def _read_returning(nodes: Nodes, sources: Sources) -> None:
    start = find_word(nodes, "returning")
    rest = nodes[start + 1 :]
    for one in split(rest[: find_word(rest, "with", "limit", "update")], ","):
        if one and one[0].kind == WORD:
            sources.add(one[0].text)
            _read_paths(one[1:], {one[0].word}, sources)
        else:
            sources.reach_more()
