"""The announced message endpoint must be an address of the upstream, and its session id unambiguous."""

from __future__ import annotations

import pytest

from gateway.protocol.http_sse_endpoint import (
    AmbiguousQuery,
    Endpoint,
    InvalidEndpoint,
    find_session_id,
    parse_endpoint,
)

ORIGINS = [("http", "127.0.0.1:8002"), ("https", "gateway.example")]


def parse(data: str) -> Endpoint:
    return parse_endpoint(data.encode(), "/api/sse", ORIGINS, lambda: "made-up")


@pytest.mark.parametrize(
    ("data", "path", "session_id"),
    [
        ("/messages/?session_id=abc", "/messages/", "abc"),
        ("/message?sessionId=abc&v=1", "/message", "abc"),
        ("message?sessionid=abc", "/api/message", "abc"),
        ("?sessionId=abc", "/api/sse", "abc"),
        ("http://127.0.0.1:8002/m?sessionId=abc", "/m", "abc"),
        ("https://gateway.example/m?sessionId=abc", "/m", "abc"),
        ("https://Gateway.Example:443/m?sessionId=abc", "/m", "abc"),
        ("http://localhost:8002/m?sessionId=abc", "/m", "abc"),
        ("http://[::1]:8002/m?sessionId=abc", "/m", "abc"),
        ("http://0.0.0.0:8002/m?sessionId=abc", "/m", "abc"),
        ("/a/../b?sessionId=abc#fragment", "/b", "abc"),
        ("/m?session%49d=%61bc", "/m", "abc"),
    ],
)
def test_an_address_of_the_upstream_is_accepted_with_its_query(data: str, path: str, session_id: str) -> None:
    endpoint = parse(data)
    assert (endpoint.path, endpoint.session_id) == (path, session_id)
    assert endpoint.query == data.partition("?")[2].partition("#")[0]
    assert endpoint.forwards_query


@pytest.mark.parametrize("data", ["/m/0a1b", "/m/0a1b?transport=x", "/m?sessionId=" + "a" * 300])
def test_clients_get_a_new_session_id_if_the_query_has_none(data: str) -> None:
    assert parse(data) == Endpoint("made-up", "sessionId=made-up", data, False)


@pytest.mark.parametrize(
    "data",
    [
        *("", " ", "http://evil.example/m?sessionId=1", "//evil.example/m?sessionId=1", "https://127.0.0.1:8002/m"),
        *("http://127.0.0.1:8003/m", "http://user@127.0.0.1:8002/m", "http://127.0.0.1:8002.evil.example/m"),
        *("javascript:alert(1)", "file:///etc/passwd", "/m?sessionId=1\\@evil", "/a b", "/m\r\nX: y", "/\u00e9"),
        *("http://localhost/m", "http://localhost:80/m", "https://gateway.example:80/m", "http://gateway.example/m"),
        *("/m?sessionId=1&session_id=2", "/m?session%5Fid=1;sessionId=2", "/" + "a" * 3000, "http://[/m"),
    ],
)
def test_any_other_address_is_rejected(data: str) -> None:
    with pytest.raises(InvalidEndpoint):
        parse(data)


@pytest.mark.parametrize(
    ("query", "session_id"),
    [
        *(("", None), ("a=b", None), ("session=1", None), ("my_session_id=1", None)),
        *(("session_id=1", "1"), ("a=b&sessionId=x%2Fy", "x/y"), ("Session-Id=1", "1"), ("a;sessionid=1", "1")),
    ],
)
def test_the_session_id_is_found_in_a_query(query: str, session_id: str | None) -> None:
    assert find_session_id(query) == session_id


@pytest.mark.parametrize("query", ["session_id=1&sessionId=1", "session_id=", "session_id=%00", "sessionId=a%20b"])
def test_a_query_that_two_parsers_could_read_differently_is_rejected(query: str) -> None:
    with pytest.raises(AmbiguousQuery):
        find_session_id(query)
