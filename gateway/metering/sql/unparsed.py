"""Reads the tables of a query whose dialect no parser knows: those that follow `FROM` and `JOIN`.

Engines have clauses of their own (`LATEST ON`, `WITH UR`, `LOCKING ROW FOR ACCESS`, `INTERVAL(10s)`), but all name
their tables there. Only queries are read: a text with a word that writes has no analysis. The tables are never
exhaustive.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import Lexer, Node, Nodes, split
from gateway.metering.sql.cache import count_tokens
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(comments=("--", "/*"), strings="'", names='"`', word_characters=r"\w$#@", marks=r"/\*|::|<>|[<>!]=")
MAX_UNPARSED_TOKENS = 300
MAX_UNPARSED_CHARACTERS = 2_000
"""Words and marks, and characters, of a query that is read without a parser; a longer one has no analysis."""
_BEGINNINGS = word_set("select sel with from locking")
_NO_QUERY = word_set(
    "insert update delete merge create drop alter truncate grant revoke into exec execute call copy set"
)
_FROM_IN_CALL = word_set("extract trim substring overlay position")
"""Functions with `FROM` between their arguments."""
_NO_NAMES = word_set("select from where join on")
_BEFORE_NAMES = word_set("lateral only table")
_HINTS = word_set("nolock readuncommitted readpast updlock holdlock index")
"""Words in brackets after a table, which would be a function with other words in them."""


def read(text: str) -> QueryAnalysis | None:
    """Return the tables that a query names; `None` if the text is not understood, or may be more than a query."""
    if len(text) > MAX_UNPARSED_CHARACTERS or count_tokens(text, MAX_UNPARSED_TOKENS) > MAX_UNPARSED_TOKENS:
        return None
    nodes = _LEXER.parse(text)
    if not nodes or any(node.word in _NO_QUERY for node in _all(nodes)):
        return None
    statements = [one for one in split(nodes, ";") if one]
    if not all(one[0].word in _BEGINNINGS or one[0].kind == "(" for one in statements):
        return None
    sources = Sources(text)
    sources.reach_more()
    expressions = set(_common_table_expressions(nodes))
    for name in _names(nodes):
        if name.lower() not in expressions:
            sources.add(name)
    return sources.analysis() if sources.read else None


def _all(nodes: Nodes) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _all(node.nodes)


def _common_table_expressions(nodes: Nodes) -> Iterator[str]:
    """Yield the names of `WITH name AS (…)`, on all levels."""
    for at, node in enumerate(nodes):
        yield from _common_table_expressions(node.nodes)
        columns = 1 if at + 1 < len(nodes) and nodes[at + 1].kind == "(" else 0
        after = nodes[at + 1 + columns : at + 3 + columns]
        if node.is_identifier and len(after) == 2 and after[0].word == "as" and after[1].kind == "(":
            yield node.text.lower()


def _names(nodes: Nodes) -> Iterator[str]:
    """Yield the names after `FROM` and `JOIN` on all levels."""
    for at, node in enumerate(nodes):
        before = nodes[at - 1].word if at else ""
        if node.nodes and not (node.kind == "(" and before in _FROM_IN_CALL):
            yield from _names(node.nodes)
        if node.word == "join" or (node.word == "from" and before != "distinct"):
            yield from _listed(nodes, at + 1)


def _listed(nodes: Nodes, at: int) -> Iterator[str]:
    """Yield the names in a list of tables with aliases, from a position."""
    while at < len(nodes):
        while at < len(nodes) and nodes[at].word in _BEFORE_NAMES:
            at += 1
        parts, at = _qualified(nodes, at)
        hints = nodes[at].nodes if at < len(nodes) and nodes[at].kind == "(" else None
        if parts and not parts[0].startswith("@") and (hints is None or all(one.word in _HINTS for one in hints)):
            yield ".".join(parts)
        at += at < len(nodes) and nodes[at].kind == "("
        at += at < len(nodes) and nodes[at].word == "as"
        at += at + 1 < len(nodes) and nodes[at].is_identifier and nodes[at + 1].is_mark(",")
        if at >= len(nodes) or not nodes[at].is_mark(","):
            return
        at += 1


def _qualified(nodes: Nodes, at: int) -> tuple[list[str], int]:
    """Return the parts of the qualified name at a position, and the position after it."""
    parts: list[str] = []
    while at < len(nodes) and (part := _identifier(nodes[at])):
        parts.append(part)
        at += 1
        if at >= len(nodes) or not nodes[at].is_mark("."):
            break
        while at < len(nodes) and nodes[at].is_mark("."):
            at += 1
    return parts, at


def _identifier(node: Node) -> str:
    """Return the name that a node is, in any quotes; empty if it is something else."""
    if node.is_identifier:
        return node.text if node.word not in _NO_NAMES else ""
    return " ".join(one.text for one in node.nodes) if node.kind == "[" else ""
