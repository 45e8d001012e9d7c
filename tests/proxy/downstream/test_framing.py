"""Where two HTTP parsers could disagree, the gateway denies: a 4xx, a closed connection, not one byte upstream."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.proxy.downstream import connection as client_connection
from gateway.proxy.downstream.framing import MAX_HEAD, FramingError, RequestFraming
from gateway.proxy.pipeline.response_stream import ResponseStream
from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
    answer_raw,
    chunk,
    http,
    sse_head,
)
from tests.support.wire import (
    EVIL,
    PING,
    answers_in,
    assert_all_denied,
    assert_untouched,
    chunked,
    connection,
    denied,
    exchange,
    request,
)

POST = b"POST /mcp HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: %d" % len(PING)


# What is well formed passes.


async def test_a_body_of_stated_length_and_a_body_in_chunks_pass(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    whole = request(POST, b"Connection: close", key=key)
    in_chunks = request(POST, CHUNKED, key=key, body=chunked(PING[:7], PING[7:]), length=False)
    assert [answer.status for answer in await exchange(gateway, whole)] == [200]
    assert [answer.status for answer in await exchange(gateway, in_chunks)] == [200]
    assert [
        (each.body, each.values("content-length"), each.values("transfer-encoding")) for each in upstream.requests
    ] == [(PING, [b"%d" % len(PING)], [])] * 2


async def test_requests_one_byte_a_segment_pass(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    raw = request(POST, CHUNKED, key=await gateway.key(), body=chunked(PING), length=False)
    async with connection(gateway) as (reader, writer):
        for index in range(len(raw)):
            writer.write(raw[index : index + 1])
            await asyncio.sleep(0)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    assert [each.body for each in upstream.requests] == [PING]


async def test_a_connection_carries_many_requests_and_each_is_authorised_by_itself(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    answers = await exchange(
        gateway,
        request(POST, key=key)
        + request(POST, body=EVIL)
        + request(POST, key="sk-wrong", body=EVIL)
        + request(POST, b"Connection: close", key=key),
    )
    assert [answer.status for answer in answers] == [200, 401, 401, 200]
    assert [each.body for each in upstream.requests] == [PING, PING]


# 1. Content-Length.


@pytest.mark.parametrize("has_key", [True, False])
async def test_two_lengths_are_denied(gateway: Gateway, upstream: ScriptedUpstream, has_key: bool) -> None:
    key = await gateway.key() if has_key else None
    longer = b"Content-Length: %d" % (len(PING) + 1)
    in_chunks = chunked(PING)
    await assert_all_denied(
        gateway,
        upstream,
        {
            fields: request(POST, *fields, key=key, body=in_chunks if CHUNKED in fields else PING, length=False)
            for fields in [
                *((LENGTH, CHUNKED), (CHUNKED, LENGTH), (LENGTH, LENGTH), (LENGTH, longer), (longer, LENGTH)),
                *((b"Content-Length: 0", LENGTH), (LENGTH, b"CONTENT-LENGTH: 0"), (b"Content_Length: 0", LENGTH)),
                *((b"Transfer_Encoding: chunked", LENGTH), (b"Content.Length: 0", CHUNKED)),
            ]
        },
    )


async def test_a_length_that_is_no_plain_number_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    values = [
        *(
            b"40, 40",
            b"+40",
            b"-1",
            b"0x28",
            b"4_0",
            b"40;",
            b"4 0",
            b"",
            b"\xb2",
            b"40.0",
            b"4e1",
            b"40\x0b",
            b"\x0c40",
        ),
        *(b'"40"', b"18446744073709551615", b"18446744073709551656", b"9" * 40, "\u0664\u0660".encode()),
    ]
    await assert_all_denied(
        gateway,
        upstream,
        {value: request(POST, b"Content-Length: " + value, key=key, length=False) for value in values},
    )


# 2. Transfer-Encoding.


async def test_another_transfer_encoding_than_one_chunked_is_denied(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    fields = [
        [b"Transfer-Encoding: " + value]
        for value in [
            *(
                b"identity",
                b"identity, chunked",
                b"chunked, identity",
                b"gzip, chunked",
                b"chunked, chunked",
                b"xchunked",
            ),
            *(b"chunked;q=1", b'"chunked"', b"", b"chun ked", b"chunked,", b",chunked", b"\x0bchunked", b"chunked\x0b"),
            b"\x85chunked",
        ]
    ]
    fields += [
        [CHUNKED, CHUNKED],
        [CHUNKED, b"transfer-encoding: identity"],
        [b"Transfer-Encoding : chunked"],
        [b"Transfer-Encoding:", b" chunked"],
        [b"Transfer-Encoding\x00: chunked"],
    ]
    await assert_all_denied(
        gateway,
        upstream,
        {tuple(each): request(POST, *each, key=key, body=chunked(PING), length=False) for each in fields},
    )


async def test_chunks_on_http_1_0_are_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    old = b"POST /mcp HTTP/1.0"
    raw = request(old, CHUNKED, b"Connection: keep-alive", key=await gateway.key(), body=chunked(PING), length=False)
    await assert_all_denied(gateway, upstream, {"chunks": raw}, 400)


# 3. Fields and lines.


async def test_a_line_that_is_no_field_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    lines = [
        *(
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
        ),
        *(
            b"X: a\nY: b",
            b"X: a\n",
            b"X: a\r",
            b"X: a\x01",
            b"X: a\x7f",
            b"X: a\x0b",
            b"X\xc3\xa9: a",
            b"X(): a",
            b" X: a",
        ),
        *(b"X: a\n\nGET / HTTP/1.1", b"\x00", b"\n", b"\r"),
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


# 4. Chunks and trailers.


async def test_a_chunk_that_is_not_strict_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    size, rest = b"28", PING + b"\r\n0\r\n\r\n"
    assert int(size, 16) == len(PING)
    bodies = [
        line + rest
        for line in [
            *(
                b"0x28\r\n",
                b"28 \r\n",
                b" 28\r\n",
                b"28\t\r\n",
                b"+28\r\n",
                b"-28\r\n",
                b"2_8\r\n",
                b"\r\n",
                b"28\n",
                b"28\r",
            ),
            *(
                b"00000000000000028\r\n",
                b"10000000000000028\r\n",
                b"28;a\nb\r\n",
                b"28;a\rb\r\n",
                b"28 ;a\r\n",
                b"28;\r\n",
            ),
            *(b"28;" + b"a" * 300 + b"\r\n", b"2g\r\n", b"28\0\r\n", b"\xef\xbc\x92\xef\xbc\x98\r\n", b"28,28\r\n"),
        ]
    ]
    ends = [
        b"XX0\r\n\r\n",
        b"\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"\r0\r\n\r\n",
        b"\r\n\r\n0\r\n\r\n",
        b"\r\n0\n\n",
        b"\r\n0\r\n\n",
    ]
    bodies += [b"28\r\n" + PING + end for end in ends]
    bodies += [b"28\r\n" + PING + b"\r\n0\r\n" + b"X: " + b"a" * 10_000 + b"\r\n\r\n"]
    await assert_all_denied(
        gateway, upstream, {body: request(POST, CHUNKED, key=key, body=body, length=False) for body in bodies}
    )


async def test_a_fault_in_a_body_whose_head_came_before_is_denied_at_once(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    head = request(POST, CHUNKED, key=await gateway.key(), body=b"", length=False)
    for part in (b"28\r\n" + PING + b"XX", b"zz\r\n", b"5\n"):
        assert await denied(gateway, head, part, within=0.9) == 400
    assert_untouched(upstream)
    assert caplog.records == []


async def test_trailers_become_headers_neither_of_this_request_nor_of_the_next(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    trailers = b"0\r\nX-Mcp-Owner: root\r\nX-First: 1\r\nAuthorization: Bearer " + key.encode() + b"\r\n\r\n"
    first = request(POST, CHUNKED, key=key, body=chunked(PING, end=trailers), length=False)
    answers = await exchange(gateway, first + request(POST, body=EVIL))
    assert [answer.status for answer in answers] == [200], "what follows chunks is not read on this connection"
    assert answers[0].values("connection") == ["close"]
    assert [each.body for each in upstream.requests] == [PING]
    for name in ("x-mcp-owner", "x-first", "authorization"):
        assert upstream.requests[0].values(name) == []


async def test_a_million_chunks_of_one_byte_are_refused_before_they_cost_much(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    raw = request(POST, CHUNKED, key=await gateway.key(), body=b"1\r\nx\r\n" * 1_000_000, length=False)
    before = time.process_time()
    async with connection(gateway) as (reader, writer):
        writer.write(raw)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    assert time.process_time() - before < 0.5
    assert_untouched(upstream)


# 5. Upgrades and bodies of a GET.


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.0"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_what_follows_a_request_for_an_upgrade_is_not_read(
    gateway: Gateway, upstream: ScriptedUpstream, protocol: bytes, method: bytes
) -> None:
    key = await gateway.key()
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + protocol, b"HTTP2-Settings: AAMAAABk")
    line = method + b" /mcp HTTP/1.1"
    first = request(line, *upgrade, key=key, body=PING if method == b"POST" else b"", length=method == b"POST")
    answers = await exchange(gateway, first + request(POST, key=key, body=EVIL))
    assert [answer.status for answer in answers] == [200]
    assert [each.line.split()[0] for each in upstream.requests] == [method]
    for name in ("upgrade", "connection", "http2-settings"):
        assert upstream.requests[0].values(name) == []


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_a_body_where_there_is_none_is_denied(
    gateway: Gateway, upstream: ScriptedUpstream, method: bytes
) -> None:
    key = await gateway.key()
    line, inner = method + b" /mcp HTTP/1.1", request(POST, key=key)
    with_length = request(line, key=key, body=inner)
    in_chunks = request(line, CHUNKED, key=key, body=chunked(inner), length=False)
    assert [answer.status for answer in await exchange(gateway, with_length)] == [400]
    assert [answer.status for answer in await exchange(gateway, in_chunks)] == [400]
    assert_untouched(upstream)


# 6. Hosts, versions, targets; 14, 15. paths and methods.


async def test_no_host_two_hosts_and_odd_hosts_are_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
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
                    *(
                        b"",
                        b"evil.example",
                        b"localhost:80:80",
                        b"localhost@evil.example",
                        b"localhost/",
                        b"localhost#",
                    ),
                    *(
                        b"localhost.evil.example",
                        b"localhost:\xb2",
                        b"localhost:",
                        b"[::1]x",
                        b"127.0.0.1\xa0",
                        b"0.0.0.0",
                    ),
                ]
            },
        },
    )


async def test_another_version_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    versions = [
        *(
            b"HTTP/0.9",
            b"HTTP/1.2",
            b"HTTP/2.0",
            b"HTTP/3",
            b"HTTP/1",
            b"http/1.1",
            b"HTTP/1.1 ",
            b"HTTP/01.1",
            b"HTTP/1.1.1",
        ),
        *(b"RTSP/1.0", b"RTSP/1.1", b"ICE/1.1", b"HTTP/ 1.1", b"HTTP\\1.1", b"HTTPS/1.1"),
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


async def test_http_0_9_is_denied_on_its_first_line(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    await assert_all_denied(
        gateway, upstream, {"simple request": b"GET /mcp\r\n", "preface": b"PRI * HTTP/2.0\r\n"}, 400
    )


async def test_the_path_is_matched_as_it_was_sent(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    targets = [
        *(
            b"//mcp",
            b"/mcp/",
            b"/mcp%2f",
            b"/%6dcp",
            b"/x/../mcp",
            b"/mcp/..",
            b"/mcp/.",
            b"/./mcp",
            b"/%2e/mcp",
            b"/mcp;x",
        ),
        *(
            b"/x/%2e%2e/mcp",
            b"/x/..;/mcp",
            b"/mcp%00",
            b"/mcp%23",
            b"/mcp%3f",
            b"/MCP",
            b"/mcp.",
            b"/mcp,",
            b"/mcp&a=b",
        ),
        *(
            b"/mcp\\",
            b"\\mcp",
            b"/x\\..\\mcp",
            b"/mcp#",
            b"/mcp#/healthz",
            b"/healthz#/mcp",
            b"/healthz#/../mcp",
            b"/mcp?#",
        ),
        *(
            b"/mcp?a#/healthz",
            b"/healthz/../mcp",
            b"/healthz/..%2fmcp",
            b"/healthz/",
            b"/healthz;/mcp",
            b"/mcp\xc3\xa9",
        ),
        *(
            b"http://localhost/mcp",
            b"http://evil.example/mcp",
            b"//evil.example/mcp",
            b"http:/mcp",
            b"mcp",
            b"*",
            b"?",
            b"/mcp\0",
        ),
        *(b"/mcp\x7f", b"/mcp?\xff", b"/mcp?a\tb", b"/mcp\x0c", b"localhost:80", b"/mcp\\?x", b"/mcp?x\\y", b"/mcp%5c"),
    ]
    for method in (b"POST", b"GET", b"DELETE"):
        await assert_all_denied(
            gateway,
            upstream,
            {
                (method, target): request(
                    method + b" " + target + b" HTTP/1.1",
                    b"Connection: close",
                    key=key,
                    body=PING if method == b"POST" else b"",
                )
                for target in targets
            },
        )


async def test_a_path_that_names_an_open_route_in_its_query_is_no_way_in(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    await assert_all_denied(
        gateway,
        upstream,
        {
            target: request(b"POST " + target + b" HTTP/1.1", b"Connection: close")
            for target in (b"/mcp?/healthz", b"/mcp?path=/healthz", b"/messages?x=/readyz", b"/mcp?initialize")
        },
        401,
    )


async def test_other_methods_are_405_and_the_known_ones_need_a_key(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    others = [
        b"POSTX",
        b"CONNECT",
        b"TRACE",
        b"PUT",
        b"PATCH",
        b"PROPFIND",
        b"QUERY",
        b"SOURCE",
        b"ANNOUNCE",
        b"M-SEARCH",
    ]
    await assert_all_denied(
        gateway,
        upstream,
        {each: request(each + b" /mcp HTTP/1.1", b"Connection: close", key=key) for each in others},
        405,
    )
    await assert_all_denied(
        gateway, upstream, {"authority": request(b"CONNECT evil.example:443 HTTP/1.1", key=key)}, 405
    )
    odd = [b"post", b"Post", b"PO ST", b"GET\0", b"\x16\x03\x01", b"", b"P0ST", b"POST,GET", b'"POST"']
    await assert_all_denied(gateway, upstream, {each: request(each + b" /mcp HTTP/1.1", key=key) for each in odd}, 400)
    await assert_all_denied(
        gateway,
        upstream,
        {each: request(each + b" /mcp HTTP/1.1", b"Connection: close", body=b"") for each in (b"GET", b"DELETE")},
        401,
    )


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"X-Method-Override", b"X-Original-URL", b"X-Rewrite-URL"])
async def test_a_header_changes_neither_method_nor_path(
    gateway: Gateway, upstream: ScriptedUpstream, name: bytes
) -> None:
    value = b"OPTIONS" if b"Method" in name else b"/healthz"
    await assert_all_denied(gateway, upstream, {name: request(POST, name + b": " + value, b"Connection: close")}, 401)


# 7. Size and expectation.


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


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_another_expectation_is_417(gateway: Gateway, upstream: ScriptedUpstream, method: bytes) -> None:
    line = method + b" /mcp HTTP/1.1"
    raw = request(line, b"Expect: junk", key=await gateway.key(), body=PING if method == b"POST" else b"")
    await assert_all_denied(gateway, upstream, {"junk": raw}, 417)


async def test_two_expectations_are_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    raw = request(POST, b"Expect: 100-continue", b"Expect: junk", key=await gateway.key())
    await assert_all_denied(gateway, upstream, {"two": raw}, 400)


async def test_100_continue_without_a_key_is_401_before_the_body(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    head = request(POST, b"Expect: 100-continue", LENGTH, body=b"", length=False)
    await assert_all_denied(gateway, upstream, {"head alone": head}, 401)


async def test_100_continue_with_a_key_is_said_before_the_body_and_the_answer_follows(
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


# 19, 21. Bodies.


async def test_compressed_bodies_are_denied_and_never_decompressed(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    members = gzip.compress(PING) + gzip.compress(b"") * 10_000
    bomb = gzip.compress(b" " * 20_000_000 + PING)
    before = time.process_time()
    await assert_all_denied(
        gateway,
        upstream,
        {
            (encoding, len(body)): request(
                POST, b"Content-Encoding: " + encoding, b"Connection: close", key=key, body=body
            )
            for encoding, body in itertools.product(
                (b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"gzip, identity", b"identity, gzip", b"GZIP", b""),
                (members, bomb),
            )
        },
        415,
    )
    assert time.process_time() - before < 1
    unsaid = request(POST, b"Connection: close", key=key, body=gzip.compress(PING))
    await assert_all_denied(gateway, upstream, {"without saying so": unsaid}, 400)


async def test_another_charset_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    values = [
        *(
            b"; charset=utf-16",
            b"; charset=utf-7",
            b"; charset=utf-16; x=utf-8",
            b"; charset=utf-8x",
            b"; charset=latin-1",
        ),
        *(
            b"; charset=utf-8; charset=utf-16",
            b"; charset=",
            b"; charset",
            b'; charset="utf-16"',
            b" , text/plain",
            b"\x85",
        ),
    ]
    type_ = b"Content-Type: application/json"
    for value in values:
        raw = request(POST, b"Connection: close", key=key).replace(type_, type_ + value)
        await assert_all_denied(gateway, upstream, {value: raw})
    for value in (b"; charset=utf-8", b'; Charset="UTF-8"', b";charset=utf8", b"; profile=x"):
        raw = request(POST, b"Connection: close", key=key).replace(type_, type_ + value)
        assert [answer.status for answer in await exchange(gateway, raw)] == [200], value


async def test_one_byte_beyond_the_limit_is_413_by_length_and_by_chunks_without_reading_it_all(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, max_request_bytes=1000) as gateway:
        key, body = await gateway.key(), PING.ljust(1001)
        await assert_all_denied(
            gateway,
            upstream,
            {
                "by length": request(POST, b"Content-Length: 1001", key=key, body=b"", length=False),
                "by length and whole": request(POST, b"Connection: close", key=key, body=body),
                "by chunks": request(POST, CHUNKED, key=key, body=chunked(body, end=b""), length=False),
                "by chunks and whole": request(
                    POST, CHUNKED, key=key, body=chunked(body[:1000], body[1000:]), length=False
                ),
            },
            413,
        )
        at_the_limit = request(POST, CHUNKED, key=key, body=chunked(PING.ljust(1000)), length=False)
        assert [answer.status for answer in await exchange(gateway, at_the_limit)] == [200]


async def test_a_client_that_goes_on_sending_a_refused_body_is_held_back(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    size = 100_000_000
    async with connection(gateway) as (reader, writer):
        writer.write(request(POST, b"Content-Length: %d" % size, key=await gateway.key(), body=b"", length=False))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        assert b"too large" in await reader.readuntil(b"}}")
        writer.write(b" " * size)
        left = []
        while (size_left := writer.transport.get_write_buffer_size()) and not writer.transport.is_closing():
            left.append(size_left)
            await asyncio.sleep(0.05)
        # Beside the sockets' own buffers, little was taken in.
        assert min(left) > size * 0.9
    assert_untouched(upstream)


async def test_without_a_key_no_more_than_an_initialize_is_read(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    await assert_all_denied(
        gateway,
        upstream,
        {
            "by length": request(POST, b"Content-Length: 70000", body=b"", length=False),
            "by chunks": request(POST, CHUNKED, body=chunked(b" " * 70_000, end=b""), length=False),
        },
        401,
    )


# 32. Slow clients.


async def test_a_head_that_is_late_ends_the_connection_on_a_new_one_and_on_a_used_one(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.2) as gateway:
        head = request(POST, key=await gateway.key(), body=b"", length=False)
        for opening in (b"", b"POST", head[:-2]):
            async with connection(gateway) as (reader, writer):
                writer.write(opening)
                assert await asyncio.wait_for(reader.read(), 1) == b""
        whole = request(POST, key=await gateway.key())
        async with connection(gateway) as (reader, writer):
            writer.write(whole + b"POST /mcp")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), 1)
    assert [each.body for each in upstream.requests] == [PING]


async def test_a_byte_now_and_then_does_not_lengthen_the_time_for_a_head(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.2) as gateway:
        started = time.monotonic()
        async with connection(gateway) as (reader, writer):
            ended = asyncio.create_task(reader.read())
            while not ended.done() and time.monotonic() - started < 2:
                writer.write(b"P" if time.monotonic() == started else b"O")
                await asyncio.sleep(0.02)
            assert ended.done()
            await ended
        assert time.monotonic() - started < 1


async def test_a_request_that_takes_longer_than_the_time_for_a_head_goes_on(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async def answer_late(_request: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.write(http(b"{}"))

    upstream.answer = answer_late
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_head_timeout=0.1) as gateway:
        raw = request(POST, key=await gateway.key())
        async with connection(gateway) as (reader, writer):
            writer.write(raw[:-5])
            await asyncio.sleep(0)
            # The rest of the body, and with it the beginning of a head that will be late.
            writer.write(raw[-5:] + b"POST")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_is_on_its_way_is_taken_in_by_a_worker_that_stops(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway:
        raw = request(POST, key=await gateway.key())
        async with connection(gateway) as (reader, writer):
            writer.write(raw[:-5])
            await asyncio.sleep(0.05)
            gateway.worker.server.stop_accepting()
            writer.write(raw[-5:])
            (answer,) = answers_in(await asyncio.wait_for(reader.read(), 2))
    assert (answer.status, answer.values("connection")) == (200, ["close"])
    assert [each.body for each in upstream.requests] == [PING]


async def test_a_slow_body_is_408(redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, request_body_timeout=0.2) as gateway:
        key = await gateway.key()
        await assert_all_denied(
            gateway,
            upstream,
            {
                "by length": request(POST, LENGTH, key=key, body=PING[:-1], length=False),
                "by chunks": request(POST, CHUNKED, key=key, body=chunked(PING, end=b""), length=False),
                "without a key": request(POST, LENGTH, body=b"", length=False),
            },
            408,
        )


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"Content-Length: 20000000"])
async def test_a_slow_reader_holds_the_upstream_back_and_memory_is_bounded(
    gateway: Gateway, upstream: ScriptedUpstream, framing: bytes
) -> None:
    event = b"data: " + b"x" * 9_990 + b"\n\n\n\n"
    is_chunked = b"chunked" in framing
    written, finished = 0, asyncio.Event()

    async def answer(_request: object, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.transport.set_write_buffer_limits(high=65_536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n\r\n")
        for _ in range(2000):
            writer.write(chunk(event) if is_chunked else event)
            await writer.drain()
            written += len(event)
        if is_chunked:
            writer.write(chunk(b""))
        finished.set()

    upstream.answer = answer
    async with connection(gateway) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request(POST, key=await gateway.key(), body=EVIL))
        previous = -1
        while written != previous:
            previous = written
            await asyncio.sleep(0.1)
        assert not finished.is_set()
        assert 0 < _buffered(gateway) < 1024 * 1024
        # Beside the sockets' own buffers (some MB), little was taken in.
        assert written < 16 * 1024 * 1024
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        size = 0
        while not finished.is_set() or size < 20_000_000:
            size += len(await reader.read(1 << 20))


async def test_a_client_that_takes_nothing_for_too_long_loses_its_connection_and_its_stream(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "WRITE_TIMEOUT", 0.2)
    broken = asyncio.Event()

    async def answer(_request: object, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head())
        try:
            while True:
                writer.write(chunk(b"data: " + b"x" * 65_536 + b"\n\n"))
                await writer.drain()
        except ConnectionError:
            broken.set()
            raise

    upstream.answer = answer
    async with connection(gateway) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request(b"GET /mcp HTTP/1.1", key=await gateway.key(), body=b"", length=False))
        await asyncio.wait_for(broken.wait(), 2)
    assert gateway.pool.connections == []


def _buffered(gateway: Gateway) -> int:
    """Bytes that the worker holds for clients and of the upstream."""
    to_clients = gateway.worker.server.write_buffer_bytes
    of_upstream = sum(connection.unread_bytes for connection in gateway.pool.connections)
    return to_clients + of_upstream


async def test_a_client_that_goes_while_it_sends_leaves_no_error_and_no_request(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    raw = request(POST, key=await gateway.key())
    for end in (10, 60, len(raw) - len(PING), len(raw) - 1):
        async with connection(gateway) as (_, writer):
            writer.write(raw[:end])
            await asyncio.sleep(0.01)
            writer.transport.abort()
    assert [answer.status for answer in await exchange(gateway, request(POST, b"Connection: close"))] == [401]
    assert_untouched(upstream)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_answer_that_fails_half_way_is_cut_and_no_second_answer_follows(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    version: bytes,
) -> None:
    pieces, go_on = iter([b"data: 1\n\n"]), asyncio.Event()

    async def next_chunk(_stream: ResponseStream) -> bytes:
        if piece := next(pieces, b""):
            return piece
        await go_on.wait()
        raise ValueError("sk-hidden")

    monkeypatch.setattr(ResponseStream, "next_chunk", next_chunk)
    upstream.answer = answer_raw(sse_head())
    async with connection(gateway) as (reader, writer):
        writer.write(request(b"POST /mcp HTTP/" + version, key=await gateway.key()))
        assert (await reader.readuntil(b"data: 1\n\n")).startswith(b"HTTP/1.1 200 ")
        go_on.set()
        rest, is_reset = b"", False
        try:
            rest = await reader.read()
        except ConnectionError:
            is_reset = True
    assert (rest, is_reset) == ((b"\r\n", False) if version == b"1.1" else (b"", True))
    assert "ValueError" in caplog.text
    assert "hidden" not in caplog.text


# Bytes that nobody thought of.

_SPLICES = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"_", b"#", b"?", b"%", b"\xff", b"0", b"x", b"-"),
    *(b"\r\n\r\n", b"\r\n ", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.1"),
    *(
        b"Upgrade: h2c\r\nConnection: upgrade\r\n",
        b"Expect: 100-continue\r\n",
        b"GET /healthz HTTP/1.1\r\n",
        b"chunked",
    ),
    *(b"CONNECT ", b"OPTIONS ", b"HEAD ", b"initialize", b"Host: localhost\r\n", b"Connection: close\r\n"),
]


def mutated(random: Random, raw: bytes) -> bytes:
    """These bytes with some taken out, put in or written twice."""
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(raw) + 1)
        end = start + random.choice([0, 0, 1, 2, random.randrange(30)])
        raw = raw[:start] + random.choice([*_SPLICES, raw[start:end] * 2, b""]) + raw[end:]
    return raw


@pytest.mark.parametrize("seed", range(4))
async def test_no_mutation_of_requests_without_a_key_reaches_the_upstream_or_fails_within_the_gateway(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    random = Random(seed)
    originals = [
        request(body=EVIL) + request(body=EVIL),
        request(POST, CHUNKED, body=chunked(EVIL[:9], EVIL[9:], end=b"0\r\nX: y\r\n\r\n"), length=False)
        + request(body=EVIL),
        request(b"GET /mcp HTTP/1.1", body=b"", length=False) + request(b"DELETE /mcp HTTP/1.1", body=b""),
        request(b"OPTIONS /mcp HTTP/1.1", body=b"") + request(body=EVIL) + request(b"HEAD /mcp HTTP/1.1", body=b""),
    ]

    async def send(raw: bytes) -> bytes:
        async with connection(gateway) as (reader, writer):
            writer.write(raw)
            await asyncio.sleep(0.005)
            writer.write_eof()
            try:
                return await asyncio.wait_for(reader.read(), 3)
            except ConnectionError:
                return b""

    for _ in range(8):
        sent = [mutated(random, random.choice(originals)) for _ in range(25)]
        for raw, answer in zip(sent, await asyncio.gather(*map(send, sent)), strict=True):
            assert not answer or answer.startswith(b"HTTP/1."), raw
            assert b"HTTP/1.1 5" not in answer, raw
    assert_untouched(upstream)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# The walk by itself.


def walk(*segments: bytes) -> str:
    """What the walk says of these segments."""
    framing = RequestFraming()
    try:
        for segment in segments:
            while segment:
                segment = segment[framing.feed(segment) :]
    except FramingError as fault:
        return str(fault)
    return "within a head" if framing.is_within_head else "good"


STREAMS = [
    request() + request(body=b"") + request(POST, CHUNKED, body=chunked(PING, PING), length=False) + request(),
    request(POST, CHUNKED, body=chunked(PING, end=b"0\r\nX: y\r\nZ: w\r\n\r\n"), length=False) + b"POST /m",
    request(POST, CHUNKED, body=chunked(PING, end=b"0x\r\n"), length=False),
    request(POST, CHUNKED, body=b"28;x=y\r\n" + PING + b"\r\n00000000000000000\r\n\r\n", length=False),
    request() + request(POST, CHUNKED),
    request() + b"GARBAGE\r\n\r\n",
    request(b"POST /mcp#x HTTP/1.1"),
]


@given(st.sampled_from(STREAMS), st.sets(st.integers(1, 400)))
def test_the_walk_says_the_same_however_the_bytes_are_split(stream: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    assert walk(*(stream[start:end] for start, end in itertools.pairwise(edges))) == walk(stream)


@given(st.binary(max_size=200))
def test_the_walk_never_fails_otherwise_than_by_a_fault(data: bytes) -> None:
    walk(data)
    walk(request(POST, CHUNKED, body=data, length=False))
    walk(request(POST, data, length=False))


def test_the_walk_holds_no_more_than_a_head() -> None:
    framing = RequestFraming()
    framing.feed(b"POST /mcp HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD - 100))
    with pytest.raises(FramingError):
        framing.feed(b"a" * 200)


# A head that is known.


async def test_requests_with_the_same_head_and_bodies_of_any_length_are_each_read_whole(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    bodies = [PING, PING + b" " * 1000, PING.ljust(20_000), PING + b" "]
    async with connection(gateway) as (reader, writer):
        for body in bodies:
            raw = request(POST, key=key, body=body)
            for part in (raw[: len(raw) - 30], raw[len(raw) - 30 :]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    assert [each.body for each in upstream.requests] == bodies


async def test_a_head_that_begins_like_the_known_one_is_read_anew(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    first, other = request(POST, key=key), request(POST, b"X-Other: 1", key=key)
    for cut in (1, len(first) // 2, first.index(b"\r\n\r\n") + 2):
        upstream.requests.clear()
        async with connection(gateway) as (reader, writer):
            for raw in (first, first[:cut], first[cut:], other, first):
                writer.write(raw)
                await writer.drain()
                await asyncio.sleep(0.01)
            answers = b""
            while answers.count(b"HTTP/1.1 200 ") < 4:
                answers += await reader.read(65_536)
        assert [each.values("x-other") for each in upstream.requests] == [[], [], [b"1"], []]


# Taking turns.


async def test_who_pipelines_many_requests_does_not_keep_others_waiting(gateway: Gateway) -> None:
    flood = b"OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20_000
    async with connection(gateway) as (reader, writer), connection(gateway) as (other, asking):
        writer.write(flood)
        await reader.readexactly(1)
        asking.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        taken, answered = 1, asyncio.ensure_future(other.readuntil(b"}"))
        while not answered.done():
            taken += len(await reader.read(65_536))
        size = len(await reader.readuntil(b"\r\n\r\n"))
        assert taken < 20_000 * size / 4, "the other one's turn comes long before the flood is over"


async def test_a_body_that_came_whole_while_its_key_was_looked_up_leaves_the_connection_readable(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    large = PING.ljust(400_000)
    async with connection(gateway) as (reader, writer):
        for body in (large, PING, large):
            writer.write(request(POST, key=await gateway.key(), body=body))
            async with asyncio.timeout(5):
                assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    assert [len(each.body) for each in upstream.requests] == [400_000, len(PING), 400_000]


@pytest.mark.parametrize("path", [b"/healthz", b"/nothing", b"/mcp"])
async def test_to_head_no_body_follows(gateway: Gateway, path: bytes) -> None:
    async with connection(gateway) as (reader, writer):
        writer.write(b"HEAD " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" + request(POST))
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readline()) == b"HTTP/1.1 401 Unauthorized\r\n"


async def test_a_slow_reader_that_takes_something_keeps_its_connection(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "WRITE_TIMEOUT", 0.7)
    size = 30_000_000
    upstream.answer = answer_raw(http(b" " * size))
    async with connection(gateway) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request(POST, key=await gateway.key()))
        taken = 0
        while taken < size:
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            taken += len(await reader.read(1 << 20))
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
