"""Flux: the measurements that its filters name, or the bucket of a pipeline without one.

Flux is a programming language whose functions can read other systems, so the tables are never exhaustive.
"""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import DOUBLE_QUOTED, LINE_COMMENT, STRING, Lexer, Node, Nodes, split
from gateway.metering.vocabulary.names import word_set

_LEXER = Lexer(skipped=LINE_COMMENT, quoted=[(STRING, DOUBLE_QUOTED)], marks=r"\|>|=>|==|=~|!=|!~|<=|>=")
_LISTINGS = word_set("buckets databases measurements tagkeys tagvalues fieldkeys cardinality")


def read(text: str) -> QueryAnalysis | None:
    """Return the tables of a script; `None` if it is not understood."""
    nodes = _LEXER.parse(text)
    if not nodes:
        return None
    sources = Sources(text)
    sources.reach_more()
    buckets: list[str] = []
    _read_calls(nodes, sources, buckets)
    if not sources.read:
        for bucket in buckets:
            sources.add(bucket)
    return sources.analysis() if buckets or sources.read or sources.written or sources.lists_names else None


def _read_calls(nodes: Nodes, sources: Sources, buckets: list[str]) -> None:
    """Read the calls among `nodes`, and the comparisons of `_measurement` within them."""
    for at, node in enumerate(nodes):
        if node.kind == "(" and at and nodes[at - 1].word:
            _read_call(nodes[at - 1].word, node.nodes, sources, buckets)
        if (node.word == "_measurement" or _is_member(node)) and at + 2 < len(nodes) and nodes[at + 1].is_mark("=="):
            value = nodes[at + 2]
            if value.kind == STRING:
                sources.add(value.text)
        if node.nodes:
            _read_calls(node.nodes, sources, buckets)


def _is_member(node: Node) -> bool:
    """Return True for `["_measurement"]`."""
    return node.kind == "[" and len(node.nodes) == 1 and node.nodes[0].text == "_measurement"


def _read_call(function: str, arguments: Nodes, sources: Sources, buckets: list[str]) -> None:
    values = {
        one[0].word: one[2].text
        for one in split(arguments, ",")
        if len(one) == 3 and one[1].is_mark(":") and one[2].kind == STRING
    }
    bucket = values.get("bucket", "")
    if function in ("to", "wideto"):
        sources.written.update({bucket.lower()} if bucket else ())
    elif function == "from" and bucket:
        buckets.append(bucket)
    elif measurement := values.get("measurement"):
        sources.add(measurement)
    elif function in _LISTINGS or function.startswith("measurement"):
        sources.lists_names = True
