"""Inputs that are made to be slow to meter. The module `metering` times them; tests count the work that they cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

M = 1_000_000


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _wrappers(levels: int, inner: object = None) -> object:
    """Return an object in which each member may be the records, or wrap them."""
    names = ("rows", "results", "data", "result", "values")
    return {name: _wrappers(levels - 1, inner) for name in names} if levels else inner or {}


def texts(*blocks: str) -> bytes:
    return _json({"content": [{"type": "text", "text": block} for block in blocks]})


def structured(json_text: bytes) -> bytes:
    return b'{"content":[],"structuredContent":' + json_text + b"}"


RESULTS: dict[str, Callable[[], bytes]] = {
    "empty objects": lambda: structured(b"[" + b"{}," * (2 * M // 3) + b"{}]"),
    "empty arrays": lambda: structured(b"[" + b"[]," * (2 * M // 3) + b"[]]"),
    "numbers": lambda: structured(b"[" + b"1," * M + b"1]"),
    "a tree of wrappers": lambda: structured(_json(_wrappers(5))),
    "a tree of results": lambda: structured(_json(_wrappers(5, {"rows": []}))),
    "texts": lambda: structured(b"[" + b'"",' * (2 * M // 3) + b'""]'),
    "nulls": lambda: structured(b"[" + b"null," * (2 * M // 5) + b"null]"),
    "mixed": lambda: structured(b"[{}," + b"1," * M + b"1]"),
    "deep arrays": lambda: structured(b"[" * M + b"]" * M),
    "deep objects": lambda: structured(b'{"result":' * (M // 10) + b"1" + b"}" * (M // 10)),
    "deep wrappers": lambda: structured(b'{"result":' * 500 + b"[]" + b"}" * 500),
    "wide": lambda: structured(b"{" + b",".join(b'"k%d":1' % number for number in range(180_000)) + b"}"),
    "wide with one name": lambda: structured(b"{" + b'"":1,' * (2 * M // 5) + b'"":1}'),
    "wide but small": lambda: structured(
        b"{" + b",".join(b'"k%d":{"a":{"b":1}}' % number for number in range(1_000)) + b"}"
    ),
    "many lists": lambda: structured(
        b"{" + b",".join(b'"k%d":[%s1]' % (number, b"1," * 300) for number in range(3_000)) + b"}"
    ),
    "many lists but small": lambda: structured(
        b"{" + b",".join(b'"k%d":[%s{}]' % (number, b"{}," * 200) for number in range(300)) + b"}"
    ),
    "a long text": lambda: structured(b'{"result":"' + b"x" * (2 * M) + b'"}'),
    "escapes": lambda: structured(b'{"result":"' + b"\\n" * M + b'"}'),
    "a long number": lambda: structured(b"[" + b"1" * (2 * M) + b"]"),
    "many blocks": lambda: (
        b'{"content":[' + b'{"type":"text","text":"{}"},' * 70_000 + b'{"type":"text","text":"{}"}]}'
    ),
    "blocks without anything": lambda: b'{"content":[' + b"{}," * (2 * M // 3) + b"{}]}",
    "blocks of tables": lambda: texts(*["a,b\n1,2"] * 900),
    "blocks of fields": lambda: texts(*["a: b\nc: d" * 30] * 900),
    "short lines": lambda: texts("a\n" * (M // 2)),
    "line ends": lambda: texts("x" + "\n" * M + "x"),
    "spaces": lambda: texts("x" + " " * (2 * M) + "x"),
    "commas": lambda: texts("a,b\n" + "," * (2 * M)),
    "comma lines": lambda: texts("a,b\n" + "1,2\n" * (M // 3) + "1"),
    "quoted lines": lambda: texts("a,b\n" + '"1",2\n' * (M // 8)),
    "pipes": lambda: texts("|" * (2 * M)),
    "pipe lines": lambda: texts("|a|b|\n|---|---|\n" + "|1|2|\nx\n" * (M // 6)),
    "dashes": lambda: texts("-" * (2 * M)),
    "dash lines": lambda: texts("a\n" + "---\n" * (M // 3)),
    "dashes in lines": lambda: texts(("-- " * 60 + "\n") * 350),
    "box": lambda: texts("+--+\n| a|\n+--+\n" + "| 1|\n" * (M // 4)),
    "colons": lambda: texts("a: " * (2 * M // 3)),
    "fields": lambda: texts("a: b\n" * (M // 4)),
    "some lines": lambda: texts("a: b, c | d -- \n" * 990),
    "wide lines": lambda: texts(("x, " * 20 + "\n") * 990),
    "open braces": lambda: texts("{" * (2 * M)),
    "open parentheses": lambda: texts("(" * (2 * M)),
    "parentheses": lambda: texts("(" * 60_000 + ")" * 60_000),
    "escaped quotes": lambda: texts("['" + "\\'" * 60_000),
    "quotes": lambda: texts("[" + "'" * 120_000),
    "both quotes": lambda: texts("[" + "'\"" * 60_000),
    "strings": lambda: texts("[" + "\"a\", 'b', " * 10_000 + "]"),
    "a repr": lambda: texts(repr([{"a": "it's", "b": 1.5}] * 4_000)),
    "lines of JSON": lambda: texts('{"a":1}\n' * 39_000),
    "lines of JSON and one of prose": lambda: texts('{"a":1}\n' * 39_000 + "x"),
    "JSON in prose": lambda: texts("x\n[" + '{"a":1},' * 100_000 + "\n{ : [ >["),
    "JSON in JSON": lambda: texts(json.dumps(json.dumps(json.dumps("a,\n'b'\n" * 5_000)))),
    "errors": lambda: texts("error " * (M // 3)),
    "tags": lambda: texts("<a>" * (M // 2) + "</a>"),
    "fences": lambda: texts("```\n" * (M // 3)),
    "marks": lambda: texts("#*_ " * 99),
    "words of messages": lambda: texts("no rows found " * 40),
    "lines that state numbers": lambda: texts("Found 3 rows:\n" + "1 a\n" * 980),
    "lines of a log": lambda: texts("ERROR: a\n" * 990),
    "trees": lambda: texts(("\u2502" + " " * 60 + "\n") * 900),
    "groups": lambda: texts("Found 5 things:\n" + "a:\n- b: 1\n" * 490),
    "names": lambda: texts("a.b\n" * 3_990),
    "indented keys": lambda: texts("".join(" " * at + "a:\n" for at in range(350))),
    "short lines of digits beyond ASCII": lambda: texts(("\U0001d7d8" + " " * 20 + "\n") * 86_000),
    "nested YAML": lambda: texts("".join(" " * at + "a:\n" for at in range(300))),
    "calls in a repr": lambda: texts("[" + "A(b=1), " * 9_000 + "]"),
    "a long name in a repr": lambda: texts("(" + "_" * 120_000),
    "fields in a field": lambda: texts("a: " * 21_000 + "x"),
    "headings": lambda: texts("# a\n## b\n" * 490),
    "beyond the limit": lambda: structured(b"[" + b"1," * (5 * M) + b"1]"),
}
"""Results, made when they are needed."""

STATEMENTS = {
    "nested parentheses": "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
    "many columns": "SELECT " + "1," * 9_000 + "1",
    "many conditions": "SELECT * FROM t WHERE " + " AND ".join(f"a{number}=1" for number in range(120)),
    "nested calls": "SELECT " + "f(" * 100 + "1" + ")" * 100,
    "nested cases": "SELECT " + "CASE WHEN a THEN " * 60 + "1" + " END" * 60,
    "nested queries": "SELECT * FROM " + "(SELECT * FROM " * 60 + "t" + ")x" * 60,
    "a long string": "SELECT '" + "x" * 19_000 + "'",
    "spaces": " " * 19_000 + "x",
    "open comments": "/*" * 9_000,
    "open parentheses": "(" * 19_000,
    "repeated clauses": "SELECT 1 FROM t " * 40,
}


def _nested(depth: int) -> dict[str, Any]:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return dict(value)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "nested": _nested(900),
    "a long list": {"a": ["x"] * 100_000},
    "many members": {str(number): "x" for number in range(100_000)},
    "a long string": {"a": "x" * 4_000_000},
    "long statements": {"sql": [f"SELECT {'a, ' * 6_000}{number}" for number in range(190)]},
    "comments": {"a": ["/**/" * 4_900] * 190},
    "lists as texts": {"query": ["[" + "1," * 9_900 + "1]"] * 190},
    "lines of JSON": {"query": ["{}\n" * 6_000] * 190},
    "names of tables": {"table": ["a," * 9_000] * 190},
    "a query of marks": {"kql": "T|take 1|" * 490 + "count"},
    "a query of brackets": {"cypher": "(a:b)" * 390 + " MATCH"},
    "a query of words": {"spl": "a " * 1_990},
    "queries": {f"a{number}": {"kql": "T | where a == 1 and b == 2 " * 10} for number in range(100)},
    "texts like queries": {"query": [" " * 900 + "a" * 90 + "=("] * 190},
}

RULE_RESULTS = {
    "rows": structured(_json({"items": [{"id": one} for one in range(90_000)]})),
    "empty objects": structured(_json({"items": [{}] * 30_000})),
    "numbers": structured(_json({"items": [1] * 30_000})),
    "rows within the bounds": structured(_json({"items": [{"id": one} for one in range(8_000)]})),
    "strings in a text": texts("[" + '"x",' * 60_000 + "1]"),
    "one long text": texts("x" * 250_000),
}
EXPRESSIONS = [
    "length(structuredContent.items)",
    "length(structuredContent.items[?id > `1`].id)",
    "length(parse_json(content[0].text))",
    "length(sort_by(structuredContent.items, &id))",
    "length(join('', map(&to_string(@), structuredContent.items)))",
]
"""Rules for `RULE_RESULTS`."""
