"""Request lines and header fields that HTTP parsers could read differently are denied."""

from __future__ import annotations

import logging

import pytest

from tests.proxy.downstream.lines import CHUNKED, LENGTH, POST
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
)
from tests.support.wire import (
    PING,
    assert_all_denied,
    assert_untouched,
    connection,
    denied,
    exchange,
    request,
)

# Fields and lines.


async def test_a_malformed_header_field_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    lines = [
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\rb",
        b"X\r: a",
        b"X: a\0b",
        b"X\0: a",
        b": a",
        b"X : a",
        b"X\t: a",
        b"X",
        b"X: a\nY: b",
        b"X: a\n",
        b"X: a\r",
        b"X: a\x01",
        b"X: a\x7f",
        b"X: a\x0b",
        b"X\xc3\xa9: a",
        b"X(): a",
        b" X: a",
        b"X: a\n\nGET / HTTP/1.1",
        b"\x00",
        b"\n",
        b"\r",
    ]
    await assert_all_denied(gateway, upstream, {line: request(POST, line, key=key) for line in lines}, 400)
    folded = request(b"POST /mcp HTTP/1.1\r\n X: a", key=key)
    await assert_all_denied(gateway, upstream, {"before the first field": folded}, 400)


async def test_lines_that_end_with_lf_alone_are_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    head, body = request(POST, key=await gateway.key()).split(b"\r\n\r\n")
    await assert_all_denied(gateway, upstream, {"all": head.replace(b"\r\n", b"\n") + b"\n\n" + body}, 400)


@pytest.mark.parametrize("line", [b"X-Secret sk-hidden", b"X: sk-hidden\0", b"Authorization : Bearer sk-hidden"])
async def test_no_byte_of_a_malformed_request_is_logged(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    assert await denied(gateway, request(POST, line)) == 400
    assert await denied(gateway, request(b"sk-hidden /mcp HTTP/1.1")) in (400, 405)
    assert await denied(gateway, request(b"POST /sk-hidden#x HTTP/1.1")) == 400
    assert await denied(gateway, request(POST, CHUNKED, length=False, body=b"sk-hidden\r\n")) == 400
    assert "hidden" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_too_many_or_too_large_fields_are_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    await assert_all_denied(
        gateway,
        upstream,
        {
            "64 KiB value": request(POST, b"X: " + b"a" * 65_536, key=key),
            "64 KiB name": request(POST, b"X" * 65_536 + b": a", key=key),
            "64 KiB target": request(b"POST /mcp?" + b"a" * 65_536 + b" HTTP/1.1", key=key),
            "2,000 fields": request(POST, *(b"X-%d: a" % n for n in range(2000)), key=key),
            "2,000 short fields": request(POST, *[b"X:"] * 2000, key=key),
            "without an end": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000,
            "a line without an end": b"POST /" + b"a" * 70_000,
        },
    )


# Hosts and versions.


@pytest.mark.parametrize("line", [b"POST /mcp", b"GET /mcp", b"OPTIONS /mcp", b"GET /healthz", b"GET /register"])
async def test_a_request_of_http_1_1_without_host_is_400_and_the_connection_is_closed(
    gateway: Gateway, upstream: ScriptedUpstream, line: bytes
) -> None:
    raw = request(line + b" HTTP/1.1", key=await gateway.key(), host=None, body=PING if b"POST" in line else b"")
    (answer,) = await exchange(gateway, raw)
    assert (answer.status, answer.values("connection"), upstream.requests) == (400, ["close"], [])


async def test_a_foreign_host_is_logged_once_with_the_setting_that_allows_it(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    for _ in range(3):
        (answer,) = await exchange(gateway, request(POST, b"Connection: close", host=b"mcp.example.com:8001"))
        assert answer.status == 421
    assert [record.getMessage() for record in caplog.records] == [
        "the Host mcp.example.com was refused; if clients may use it, add it to GATEWAY_ALLOWED_HOSTS"
    ]


async def test_a_missing_duplicate_or_unknown_host_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key, close = await gateway.key(), b"Connection: close"
    await assert_all_denied(
        gateway,
        upstream,
        {
            "none": request(POST, close, key=key, host=None),
            "none on 1.0": request(b"POST /mcp HTTP/1.0", key=key, host=None),
            "two": request(POST, b"Host: localhost", key=key),
            "two in one": request(POST, close, key=key, host=b"localhost, localhost"),
            **{
                host: request(POST, close, key=key, host=host)
                for host in [
                    b"",
                    b"evil.example",
                    b"localhost:80:80",
                    b"localhost@evil.example",
                    b"localhost/",
                    b"localhost#",
                    b"localhost.evil.example",
                    b"localhost:\xb2",
                    b"localhost:",
                    b"[::1]x",
                    b"127.0.0.1\xa0",
                    b"0.0.0.0",
                ]
            },
        },
    )


async def test_a_version_other_than_http_1_0_and_1_1_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    versions = [
        b"HTTP/0.9",
        b"HTTP/1.2",
        b"HTTP/2.0",
        b"HTTP/3",
        b"HTTP/1",
        b"http/1.1",
        b"HTTP/1.1 ",
        b"HTTP/01.1",
        b"HTTP/1.1.1",
        b"RTSP/1.0",
        b"RTSP/1.1",
        b"ICE/1.1",
        b"HTTP/ 1.1",
        b"HTTP\\1.1",
        b"HTTPS/1.1",
    ]
    await assert_all_denied(
        gateway, upstream, {version: request(b"POST /mcp " + version, key=key) for version in versions}, 400
    )
    lines = [
        b"GET /mcp",
        b"GET  /mcp HTTP/1.1",
        b"GET /mcp  HTTP/1.1",
        b"GET\t/mcp HTTP/1.1",
        b" GET /mcp HTTP/1.1",
        b"",
    ]
    await assert_all_denied(gateway, upstream, {line: request(line, key=key) for line in lines}, 400)


async def test_http_0_9_is_denied_after_its_first_line(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    await assert_all_denied(
        gateway, upstream, {"simple request": b"GET /mcp\r\n", "preface": b"PRI * HTTP/2.0\r\n"}, 400
    )


# Expectations.


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_an_expectation_other_than_100_continue_is_417(
    gateway: Gateway, upstream: ScriptedUpstream, method: bytes
) -> None:
    line = method + b" /mcp HTTP/1.1"
    raw = request(line, b"Expect: junk", key=await gateway.key(), body=PING if method == b"POST" else b"")
    await assert_all_denied(gateway, upstream, {"junk": raw}, 417)


async def test_two_expectations_are_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    raw = request(POST, b"Expect: 100-continue", b"Expect: junk", key=await gateway.key())
    await assert_all_denied(gateway, upstream, {"two": raw}, 400)


async def test_an_expectation_without_a_key_is_401_before_the_body(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    head = request(POST, b"Expect: 100-continue", LENGTH, body=b"", length=False)
    await assert_all_denied(gateway, upstream, {"head alone": head}, 401)


async def test_100_continue_is_sent_before_the_body_and_the_response_after_it(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    head = request(POST, b"Expect: 100-continue", LENGTH, key=await gateway.key(), body=b"", length=False)
    async with connection(gateway) as (reader, writer):
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert_untouched(upstream)
        writer.write(PING)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    assert upstream.requests[0].values("expect") == []
