"""Cursors of lists."""

from __future__ import annotations

import pytest

from admin_api.http.paging import InvalidCursor, decode_cursor, encode_cursor


def test_a_cursor_has_the_parts_that_it_was_made_of() -> None:
    cursor = encode_cursor(("name", "zoë ☃", 7))
    assert decode_cursor(cursor, (str, str, int)) == ("name", "zoë ☃", 7)
    assert cursor.isascii()
    assert cursor.isprintable()


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!", "e30", "bnVsbA", "ada@example.com", "ünïcode", encode_cursor((1, "a"))]
)
def test_other_texts_are_rejected(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, (str, int))
