"""A request whose length parsers could read differently gets a 4xx, and is not forwarded."""

from __future__ import annotations

import asyncio

import pytest

from tests.proxy.downstream.lines import CHUNKED, LENGTH, POST
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
)
from tests.support.wire import (
    EVIL,
    PING,
    assert_all_denied,
    assert_untouched,
    chunked,
    connection,
    denied,
    exchange,
    request,
)


async def test_a_body_with_a_content_length_and_a_chunked_body_pass(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    whole = request(POST, b"Connection: close", key=key)
    chunked_body = request(POST, CHUNKED, key=key, body=chunked(PING[:7], PING[7:]), length=False)
    assert [response.status for response in await exchange(gateway, whole)] == [200]
    assert [response.status for response in await exchange(gateway, chunked_body)] == [200]
    assert [
        (each.body, each.values("content-length"), each.values("transfer-encoding")) for each in upstream.requests
    ] == [(PING, [b"%d" % len(PING)], [])] * 2


async def test_a_request_in_segments_of_one_byte_passes(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    raw = request(POST, CHUNKED, key=await gateway.key(), body=chunked(PING), length=False)
    async with connection(gateway) as (reader, writer):
        for index in range(len(raw)):
            writer.write(raw[index : index + 1])
            await asyncio.sleep(0)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    assert [each.body for each in upstream.requests] == [PING]


# Content-Length.


@pytest.mark.parametrize("has_key", [True, False])
async def test_a_request_with_two_lengths_is_denied(
    gateway: Gateway, upstream: ScriptedUpstream, has_key: bool
) -> None:
    key = await gateway.key() if has_key else None
    longer = b"Content-Length: %d" % (len(PING) + 1)
    chunked_body = chunked(PING)
    await assert_all_denied(
        gateway,
        upstream,
        {
            fields: request(POST, *fields, key=key, body=chunked_body if CHUNKED in fields else PING, length=False)
            for fields in [
                (LENGTH, CHUNKED),
                (CHUNKED, LENGTH),
                (LENGTH, LENGTH),
                (LENGTH, longer),
                (longer, LENGTH),
                (b"Content-Length: 0", LENGTH),
                (LENGTH, b"CONTENT-LENGTH: 0"),
                (b"Content_Length: 0", LENGTH),
                (b"Transfer_Encoding: chunked", LENGTH),
                (b"Content.Length: 0", CHUNKED),
            ]
        },
    )


async def test_a_content_length_of_other_than_digits_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    values = [
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
        b'"40"',
        b"18446744073709551615",
        b"18446744073709551656",
        b"9" * 40,
        "\u0664\u0660".encode(),
    ]
    await assert_all_denied(
        gateway,
        upstream,
        {value: request(POST, b"Content-Length: " + value, key=key, length=False) for value in values},
    )


# Transfer-Encoding.


async def test_a_transfer_encoding_other_than_a_single_chunked_is_denied(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    fields = [
        [b"Transfer-Encoding: " + value]
        for value in [
            b"identity",
            b"identity, chunked",
            b"chunked, identity",
            b"gzip, chunked",
            b"chunked, chunked",
            b"xchunked",
            b"chunked;q=1",
            b'"chunked"',
            b"",
            b"chun ked",
            b"chunked,",
            b",chunked",
            b"\x0bchunked",
            b"chunked\x0b",
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


async def test_a_chunked_body_on_http_1_0_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    old = b"POST /mcp HTTP/1.0"
    raw = request(old, CHUNKED, b"Connection: keep-alive", key=await gateway.key(), body=chunked(PING), length=False)
    await assert_all_denied(gateway, upstream, {"chunks": raw}, 400)


# Chunks and trailers.


async def test_a_chunk_that_is_not_strict_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    size, rest = b"28", PING + b"\r\n0\r\n\r\n"
    assert int(size, 16) == len(PING)
    bodies = [
        line + rest
        for line in [
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
            b"00000000000000028\r\n",
            b"10000000000000028\r\n",
            b"28;a\nb\r\n",
            b"28;a\rb\r\n",
            b"28 ;a\r\n",
            b"28;\r\n",
            b"28;" + b"a" * 300 + b"\r\n",
            b"2g\r\n",
            b"28\0\r\n",
            b"\xef\xbc\x92\xef\xbc\x98\r\n",
            b"28,28\r\n",
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


async def test_invalid_framing_in_a_body_is_denied_before_the_body_is_complete(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    head = request(POST, CHUNKED, key=await gateway.key(), body=b"", length=False)
    for part in (b"28\r\n" + PING + b"XX", b"zz\r\n", b"5\n"):
        assert await denied(gateway, head, part, within=0.9) == 400
    assert_untouched(upstream)
    assert caplog.records == []


@pytest.mark.parametrize(
    "end",
    [
        b'3;a="b\r\n   \r\n0\r\n\r\n',
        b"3;a=b=c\r\n   \r\n0\r\n\r\n",
        b"0;;\r\n\r\n",
        b"0\r\n x: 1\r\n\r\n",
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\nX: a\n\r\n\r\n",
        b"0\r\nX: a\0\r\n\r\n",
        b"0\r\nX\r\n\r\n",
        b"0\r\nContent-Length: 3\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_an_invalid_end_of_a_body_is_denied_although_what_came_before_it_is_a_message(
    gateway: Gateway, upstream: ScriptedUpstream, end: bytes
) -> None:
    head = request(POST, CHUNKED, key=await gateway.key(), body=b"", length=False)
    assert await denied(gateway, head + chunked(PING, end=b""), end) == 400
    assert_untouched(upstream)


async def test_trailers_do_not_become_headers_of_this_or_the_next_request(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    trailers = b"0\r\nX-Mcp-Owner: root\r\nX-First: 1\r\nAuthorization: Bearer " + key.encode() + b"\r\n\r\n"
    first = request(POST, CHUNKED, key=key, body=chunked(PING, end=trailers), length=False)
    responses = await exchange(gateway, first + request(POST, body=EVIL))
    assert [response.status for response in responses] == [200], "what follows chunks is not read on this connection"
    assert responses[0].values("connection") == ["close"]
    assert [each.body for each in upstream.requests] == [PING]
    for name in ("x-mcp-owner", "x-first", "authorization"):
        assert upstream.requests[0].values(name) == []


async def test_a_body_of_a_million_chunks_of_one_byte_is_denied(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    raw = request(POST, CHUNKED, key=await gateway.key(), body=b"1\r\nx\r\n" * 1_000_000, length=False)
    async with connection(gateway) as (reader, writer):
        writer.write(raw)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    assert_untouched(upstream)


# Bodies where none is expected.


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c", b"TLS/1.0"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_bytes_after_a_request_for_an_upgrade_are_not_read(
    gateway: Gateway, upstream: ScriptedUpstream, protocol: bytes, method: bytes
) -> None:
    key = await gateway.key()
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + protocol, b"HTTP2-Settings: AAMAAABk")
    line = method + b" /mcp HTTP/1.1"
    first = request(line, *upgrade, key=key, body=PING if method == b"POST" else b"", length=method == b"POST")
    responses = await exchange(gateway, first + request(POST, key=key, body=EVIL))
    assert [response.status for response in responses] == [200]
    assert [each.line.split()[0] for each in upstream.requests] == [method]
    for name in ("upgrade", "connection", "http2-settings"):
        assert upstream.requests[0].values(name) == []


@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
async def test_a_body_of_a_get_or_delete_is_denied(gateway: Gateway, upstream: ScriptedUpstream, method: bytes) -> None:
    key = await gateway.key()
    line, smuggled = method + b" /mcp HTTP/1.1", request(POST, key=key)
    with_length = request(line, key=key, body=smuggled)
    chunked_body = request(line, CHUNKED, key=key, body=chunked(smuggled), length=False)
    assert [response.status for response in await exchange(gateway, with_length)] == [400]
    assert [response.status for response in await exchange(gateway, chunked_body)] == [400]
    assert_untouched(upstream)
