"""What hostile results cost: a few milliseconds of an event loop, whatever is in them.

The bound that is meant is 5 ms on a core of its own; what is asserted leaves room for a machine that has other work.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from gateway.metering import meter
from tests.metering.support import texts, wire

BOUND = 0.025
M = 1_000_000


def raw(structured: bytes) -> bytes:
    return b'{"content":[],"structuredContent":' + structured + b"}"


def text(value: str) -> bytes:
    return wire(texts(value))


HOSTILE: dict[str, Any] = {
    "empty objects": lambda: raw(b"[" + b"{}," * (2 * M // 3) + b"{}]"),
    "empty arrays": lambda: raw(b"[" + b"[]," * (2 * M // 3) + b"[]]"),
    "numbers": lambda: raw(b"[" + b"1," * M + b"1]"),
    "texts": lambda: raw(b"[" + b'"",' * (2 * M // 3) + b'""]'),
    "nulls": lambda: raw(b"[" + b"null," * (2 * M // 5) + b"null]"),
    "mixed": lambda: raw(b"[{}," + b"1," * M + b"1]"),
    "deep arrays": lambda: raw(b"[" * M + b"]" * M),
    "deep objects": lambda: raw(b'{"result":' * (M // 10) + b"1" + b"}" * (M // 10)),
    "deep wrappers": lambda: raw(b'{"result":' * 500 + b"[]" + b"}" * 500),
    "wide": lambda: raw(b"{" + b",".join(b'"k%d":1' % number for number in range(180_000)) + b"}"),
    "wide with one name": lambda: raw(b"{" + b'"":1,' * (2 * M // 5) + b'"":1}'),
    "wide but small": lambda: raw(b"{" + b",".join(b'"k%d":{"a":{"b":1}}' % number for number in range(1_000)) + b"}"),
    "many lists": lambda: raw(
        b"{" + b",".join(b'"k%d":[%s1]' % (number, b"1," * 300) for number in range(3_000)) + b"}"
    ),
    "many lists but small": lambda: raw(
        b"{" + b",".join(b'"k%d":[%s{}]' % (number, b"{}," * 200) for number in range(300)) + b"}"
    ),
    "a long text": lambda: raw(b'{"result":"' + b"x" * (2 * M) + b'"}'),
    "escapes": lambda: raw(b'{"result":"' + b"\\n" * M + b'"}'),
    "a long number": lambda: raw(b"[" + b"1" * (2 * M) + b"]"),
    "many blocks": lambda: (
        b'{"content":[' + b'{"type":"text","text":"{}"},' * 70_000 + b'{"type":"text","text":"{}"}]}'
    ),
    "blocks without anything": lambda: b'{"content":[' + b"{}," * (2 * M // 3) + b"{}]}",
    "blocks of tables": lambda: wire(texts(*["a,b\n1,2"] * 900)),
    "blocks of fields": lambda: wire(texts(*["a: b\nc: d" * 30] * 900)),
    "short lines": lambda: text("a\n" * (M // 2)),
    "line ends": lambda: text("x" + "\n" * M + "x"),
    "spaces": lambda: text("x" + " " * (2 * M) + "x"),
    "commas": lambda: text("a,b\n" + "," * (2 * M)),
    "comma lines": lambda: text("a,b\n" + "1,2\n" * (M // 3) + "1"),
    "quoted lines": lambda: text("a,b\n" + '"1",2\n' * (M // 8)),
    "pipes": lambda: text("|" * (2 * M)),
    "pipe lines": lambda: text("|a|b|\n|---|---|\n" + "|1|2|\nx\n" * (M // 6)),
    "dashes": lambda: text("-" * (2 * M)),
    "dash lines": lambda: text("a\n" + "---\n" * (M // 3)),
    "dashes in lines": lambda: text(("-- " * 60 + "\n") * 350),
    "box": lambda: text("+--+\n| a|\n+--+\n" + "| 1|\n" * (M // 4)),
    "colons": lambda: text("a: " * (2 * M // 3)),
    "fields": lambda: text("a: b\n" * (M // 4)),
    "some lines": lambda: text("a: b, c | d -- \n" * 990),
    "wide lines": lambda: text(("x, " * 20 + "\n") * 990),
    "open braces": lambda: text("{" * (2 * M)),
    "open parentheses": lambda: text("(" * (2 * M)),
    "parentheses": lambda: text("(" * 60_000 + ")" * 60_000),
    "escaped quotes": lambda: text("['" + "\\'" * 60_000),
    "quotes": lambda: text("[" + "'" * 120_000),
    "both quotes": lambda: text("[" + "'\"" * 60_000),
    "strings": lambda: text("[" + "\"a\", 'b', " * 10_000 + "]"),
    "a repr": lambda: text(repr([{"a": "it's", "b": 1.5}] * 4_000)),
    "lines of JSON": lambda: text('{"a":1}\n' * 39_000),
    "lines of JSON and one of prose": lambda: text('{"a":1}\n' * 39_000 + "x"),
    "JSON in prose": lambda: text("x\n[" + '{"a":1},' * 100_000 + "\n{ : [ >["),
    "JSON in JSON": lambda: text(json.dumps(json.dumps(json.dumps("a,\n'b'\n" * 5_000)))),
    "errors": lambda: text("error " * (M // 3)),
    "tags": lambda: text("<a>" * (M // 2) + "</a>"),
    "fences": lambda: text("```\n" * (M // 3)),
    "beyond the limit": lambda: raw(b"[" + b"1," * (5 * M) + b"1]"),
}


def fastest(call: Any) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        call()
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_result_is_answered_in_a_few_milliseconds(name: str) -> None:
    result = HOSTILE[name]()
    assert fastest(lambda: meter("list_items", {}, result)) < BOUND


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
        "SELECT " + "1," * 9_000 + "1",
        "SELECT * FROM t WHERE " + " AND ".join(f"a{number}=1" for number in range(120)),
        "SELECT " + "f(" * 100 + "1" + ")" * 100,
        "SELECT " + "CASE WHEN a THEN " * 60 + "1" + " END" * 60,
        "SELECT * FROM " + "(SELECT * FROM " * 60 + "t" + ")x" * 60,
        "SELECT '" + "x" * 19_000 + "'",
        " " * 19_000 + "x",
        "/*" * 9_000,
        "(" * 19_000,
        "SELECT 1 FROM t " * 40,
    ],
)
def test_hostile_sql_is_answered_in_a_few_milliseconds(statement: str) -> None:
    meter("query", {"sql": "SELECT 1"}, b'{"content":[]}')  # the parser is imported once
    result = wire(texts("x"))
    assert fastest(lambda: meter("query", {"sql": statement}, result)) < BOUND


def test_hostile_arguments_are_read_in_a_few_milliseconds() -> None:
    nested: Any = "x"
    for _ in range(900):
        nested = {"a": nested}
    result = wire(texts("x"))
    for arguments in (
        nested,
        {"a": ["x"] * 100_000},
        {str(number): "x" for number in range(100_000)},
        {"a": "x" * 4_000_000},
    ):
        assert fastest(lambda arguments=arguments: meter("query", arguments, result)) < BOUND


def test_a_declared_result_of_1_kb_is_answered_in_a_few_microseconds() -> None:
    rows = [{"date": "2024-01-02", "close": 185.64, "ticker": "AAPL", "volume": 82488700}] * 8
    result = wire(
        {"content": [], "structuredContent": {"table": "stocks", "record_count": 8, "rows": rows}, "isError": False}
    )

    def thousand() -> None:
        for _ in range(1_000):
            meter("get_prices", {"symbol": "AAPL"}, result)

    assert fastest(thousand) / 1_000 < 0.000_015


def test_two_megabytes_of_rows_are_counted_in_a_few_milliseconds() -> None:
    rows = [
        {"date": "2024-01-02", "close": 185.64 + number, "ticker": "AAPL", "volume": number} for number in range(26_000)
    ]
    result = wire({"content": [], "structuredContent": {"rows": rows}})
    assert 1_800_000 < len(result) < 2_200_000
    assert meter("query", {}, result).records == 26_000
    assert fastest(lambda: meter("query", {}, result)) < BOUND
