"""Queries are split into tokens, nested by brackets, within bounds."""

from __future__ import annotations

import pytest

from gateway.metering.queries.lexer import (
    MAX_QUERY_CHARACTERS,
    MAX_QUERY_LEVELS,
    MAX_QUERY_TOKENS,
    Lexer,
    Node,
    reads_alike,
    skip_options,
    split,
)

LEXER = Lexer(comments=("//",), strings='"', marks="==")


def test_comments_are_left_out_and_brackets_are_nested() -> None:
    assert LEXER.parse('a(b == "c|d") // e\n| f') == [
        Node("word", "a", (), "a"),
        Node("(", "", (Node("word", "b", (), "b"), Node("mark", "=="), Node("string", "c|d"))),
        Node("mark", "|"),
        Node("word", "f", (), "f"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '"a',
        "(",
        ")",
        "(]",
        "x" * (MAX_QUERY_CHARACTERS + 1),
        "x " * (MAX_QUERY_TOKENS + 1),
        "(" * (MAX_QUERY_LEVELS + 1) + ")" * (MAX_QUERY_LEVELS + 1),
    ],
)
def test_an_unreadable_text_is_rejected(text: str) -> None:
    assert LEXER.parse(text) is None


def test_nodes_are_split_outside_brackets_and_options_are_skipped() -> None:
    nodes = LEXER.parse("kind=inner hint.a=b T | (c | d)")
    assert nodes is not None
    first, second = split(nodes, "|")
    assert [node.text for node in skip_options(first)] == ["T"]
    assert [node.kind for node in second] == ["("]


@pytest.mark.parametrize(
    ("text", "is_alike"),
    [
        ("a\r\nb\tc", True),
        ("städte", True),
        ("a\rb", False),
        ("a\u2028b", False),
        ("a\x0bb", False),
        ("boo\u212a", False),
        ("\u017fecret", False),
    ],
)
def test_texts_that_engines_may_read_differently(text: str, is_alike: bool) -> None:
    assert reads_alike(text) is is_alike
