"""Flux, AQL, DAX and the shell of MongoDB: the tables that a program names.

- Flux: the measurements that its filters name, or the bucket of a pipeline without one.
- AQL (ArangoDB): the collections of `FOR … IN`, of traversals and of writes.
- MongoDB's shell: the collection in `db.orders.find(…)`.
- DAX: the tables in `EVALUATE`, `'Sales'[Amount]` and `Sales[Amount]`.

Programs can call functions that read anything, so their tables are never exhaustive.
"""

from __future__ import annotations

import re

from gateway.metering.queries.analysis import QueryAnalysis, Sources
from gateway.metering.queries.lexer import (
    BACKTICKS,
    BLOCK_COMMENT,
    DOUBLE_QUOTED,
    LINE_COMMENT,
    MAX_QUERY_CHARACTERS,
    NAME,
    SINGLE_QUOTED,
    STRING,
    Lexer,
    Node,
    Nodes,
    split,
)
from gateway.metering.vocabulary.names import word_set

_FLUX = Lexer(skipped=LINE_COMMENT, quoted=[(STRING, DOUBLE_QUOTED)], marks=r"\|>|=>|==|=~|!=|!~|<=|>=")
_AQL = Lexer(
    skipped=f"{LINE_COMMENT}|{BLOCK_COMMENT}",
    quoted=[(STRING, DOUBLE_QUOTED), (STRING, SINGLE_QUOTED), (NAME, BACKTICKS)],
    word_characters=r"\w\-",
    marks=r"/\*|==|=~|!=|!~|<=|>=|\.\.",
)
_LISTINGS = word_set("buckets databases measurements tagkeys tagvalues fieldkeys cardinality")
_AQL_WRITES = word_set("insert update replace upsert remove")
_AQL_CLAUSES = word_set(
    "for in let return filter sort limit collect options prune search and or not into with graph distinct"
)
_SHELL = re.compile(
    r"\bdb\s*\.\s*(?:getCollection\(\s*[\"']([^\"'\n]{1,120})[\"']\s*\)|([\w.$-]{1,120}))\s*\.\s*"
    r"(find\w*|aggregate|count\w*|estimatedDocumentCount|distinct|getIndexes|stats|insert\w*|update\w*|delete\w*|"
    r"remove|replaceOne|drop|bulkWrite|createIndex|save|rename\w*)\s*\("
)
_SHELL_STAGE = re.compile(r"\bfrom[\"']?\s*:\s*[\"']([^\"'\n]{1,120})[\"']")
_DAX_SKIPPED = re.compile(rf'"(?:[^"]|"")*"|{LINE_COMMENT}|--[^\n]*|{BLOCK_COMMENT}')
_DAX_TABLE = re.compile(
    r"'([^'\n]{1,120})'|\b([A-Za-z_]\w{0,120})\[|\bevaluate\s+(\w{1,120})\s*(?:\Z|order\b)", re.IGNORECASE
)
_SHELL_READS = ("find", "findone", "aggregate", "distinct", "getindexes", "stats", "estimateddocumentcount")


def read_flux(text: str) -> QueryAnalysis | None:
    """Return the tables of a Flux script; `None` if it is not understood."""
    nodes = _FLUX.parse(text)
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
        if bucket:
            sources.write(bucket)
    elif function == "from" and bucket:
        buckets.append(bucket)
    elif measurement := values.get("measurement"):
        sources.add(measurement)
    elif function in _LISTINGS or function.startswith("measurement"):
        sources.lists_names = True


def read_aql(text: str) -> QueryAnalysis | None:
    """Return the collections of an AQL query; `None` if it is not understood."""
    nodes = _AQL.parse(text)
    if not nodes or nodes[0].word not in (*_AQL_WRITES, "for", "let", "return", "with"):
        return None
    sources = Sources(text)
    sources.reach_more()
    _read_aql(nodes, sources, set())
    is_returned = any(node.word == "return" for node in nodes)
    return sources.analysis(returns_rows=is_returned)


def _read_aql(nodes: Nodes, sources: Sources, variables: set[str]) -> None:
    operation = ""
    for at, node in enumerate(nodes):
        following = nodes[at + 1] if at + 1 < len(nodes) else Node("", "")
        word = node.word
        if word in ("for", "let"):
            operation = word
            end = next((one for one in range(at + 1, len(nodes)) if not _is_variable(nodes[one])), len(nodes))
            variables.update(one.text for one in nodes[at + 1 : end])
        elif word in _AQL_WRITES or word == "collect":
            operation = word
        elif (word == "in" and operation in ("for", *_AQL_WRITES)) or (word == "into" and operation in _AQL_WRITES):
            is_call = at + 2 < len(nodes) and (nodes[at + 2].kind == "(" or nodes[at + 2].text in (".", ".."))
            if (
                following.is_identifier
                and following.text not in variables
                and not is_call
                and not following.text[0].isdigit()
            ):
                sources.add(following.text, None if operation == "for" else sources.written)
            operation = ""
        elif word in ("outbound", "inbound"):
            _read_edges(nodes[at + 1 :], sources)
        elif word in ("length", "count", "document") and following.kind == "(" and following.nodes:
            _read_aql_call(word, following.nodes, sources, variables)
        if node.nodes:
            _read_aql(node.nodes, sources, variables)


def _is_variable(node: Node) -> bool:
    return (bool(node.word) and node.word not in _AQL_CLAUSES) or node.is_mark(",")


def _read_edges(nodes: Nodes, sources: Sources) -> None:
    """Read the edge collections of a traversal: `OUTBOUND start edges, more`."""
    start = next(
        (at for at, node in enumerate(nodes) if at and not node.is_mark(".") and not nodes[at - 1].is_mark(".")), 0
    )
    for node in nodes[start:] if start else ():
        if node.is_identifier and node.word not in _AQL_CLAUSES:
            sources.add(node.text)
        elif not node.is_mark(","):
            break


def _read_aql_call(function: str, arguments: Nodes, sources: Sources, variables: set[str]) -> None:
    first = arguments[0]
    if function == "document" and first.kind == STRING:
        sources.add(first.text.partition("/")[0])
    elif first.is_identifier and first.text not in variables and (len(arguments) == 1 or function == "document"):
        sources.add(first.text)


def read_shell(text: str) -> QueryAnalysis | None:
    """Return the collections of a command of MongoDB's shell; `None` if there is none."""
    if len(text) > MAX_QUERY_CHARACTERS:
        return None
    sources = Sources(text)
    sources.reach_more()
    returns_rows = False
    for quoted, plain, method in _SHELL.findall(text):
        is_read = method.lower() in _SHELL_READS or method.startswith("count")
        returns_rows = returns_rows or is_read
        sources.add(quoted or plain, None if is_read else sources.written)
    for name in _SHELL_STAGE.findall(text) if returns_rows else ():
        sources.add(name)
    return sources.analysis(returns_rows=returns_rows) if sources.read or sources.written else None


def read_dax(text: str) -> QueryAnalysis | None:
    """Return the tables of a DAX query; `None` if it is not understood."""
    if len(text) > MAX_QUERY_CHARACTERS:
        return None
    plain = _DAX_SKIPPED.sub(" ", text)
    sources = Sources(text)
    sources.reach_more()
    if "evaluate" not in plain.lower():
        return None
    for names in _DAX_TABLE.findall(plain):
        sources.add(next(filter(None, names), ""))
    return sources.analysis()
