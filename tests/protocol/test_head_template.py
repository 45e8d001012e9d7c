"""A template matches heads that are identical except for the number of their length."""

from __future__ import annotations

import pytest

from gateway.protocol.head_template import HeadTemplate

HEAD = HeadTemplate(b"POST / HTTP/1.1\r\nContent-Length: ", b"\r\nX: y\r\n\r\n")


def test_it_matches_the_same_head_with_any_length() -> None:
    for body in (b"", b"ok", b"x" * 1000):
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\nX: y\r\n\r\n" % len(body)
        assert HEAD.match(head + body) == (len(head), len(body))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POST / HTTP/1.1\r\nContent-Length: ",
        b"POST / HTTP/1.1\r\nContent-Length: 5",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nX: y\r\n\r",
        b"POST / HTTP/1.1\r\nContent-Length: \r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +5\r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5 \r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0000000000000005\r\nX: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nX: z\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\nX: y\r\n\r\n",
        b"post / HTTP/1.1\r\nContent-Length: 5\r\nX: y\r\n\r\n",
    ],
)
def test_it_matches_no_other_head_and_no_incomplete_one(data: bytes) -> None:
    assert HEAD.match(data) is None
