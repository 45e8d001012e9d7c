"""Header rules, in isolation and on the wire."""

from __future__ import annotations

import logging
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.proxy.admission.headers import (
    ForwardedClient,
    HeaderError,
    UpstreamIdentity,
    check_request_headers,
    client_headers,
    upstream_headers,
)
from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, answer_raw
from tests.support.wire import PING, assert_all_denied, chunked, exchange, request

POST = b"POST /mcp HTTP/1.1"
CLOSE = b"Connection: close"
UPSTREAM = UpstreamIdentity(host=b"up:8002", authorization=b"Bearer up")
CLIENT = ForwardedClient(
    address="192.0.2.1", scheme="https", host="gw.example", key_id="key_1", owner="ann@example.com"
)

IDENTITY = [b"X-MCP-Key-Id", b"X-MCP-Owner"]
ABOUT_THE_CLIENT = [
    *(b"X-MCP-Key-Name", b"X-MCP-User", b"X-MCP-Email", b"X-MCP-Principal", b"X-MCP-Roles", b"Remote-User"),
    *(b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"X-Forwarded-User", b"X-Forwarded-Port"),
    *(b"X-Real-IP", b"Forwarded", b"True-Client-IP", b"Remote-Groups", b"X-Remote-User", b"X-Auth-Request-Email"),
    *(b"X-Authenticated-User", b"X-WebAuth-User", b"X-Goog-Authenticated-User-Email", b"X-Amzn-Oidc-Identity"),
    *(b"X-MS-Client-Principal", b"Cf-Access-Authenticated-User-Email", b"Tailscale-User-Login", b"SSL-Client-S-DN"),
]
OVERRIDES = [
    *(b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override", b"X-Original-URL", b"X-Rewrite-URL"),
    *(b"X-Original-URI", b"X-HTTP-Host-Override", b"X-Host"),
]


def spellings(name: bytes) -> list[bytes]:
    """Return spellings of a name that some server reads as that name."""
    mixed = b"-".join(b"_".join(name.rsplit(b"-", 1)).split(b"-"))
    return [
        name,
        name.upper(),
        name.lower(),
        name.replace(b"-", b"_"),
        name.replace(b"-", b"."),
        mixed,
        name.swapcase(),
    ]


def sent(*fields: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return upstream_headers(fields, (), UPSTREAM, CLIENT)


def values(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Return the values of every field that some server reads as that name."""
    plain = name.lower().replace(b"_", b"-").replace(b".", b"-")
    return [value for each, value in fields if each.lower().replace(b"_", b"-").replace(b".", b"-") == plain]


# Identity of the client.


@pytest.mark.parametrize("name", [*IDENTITY, *ABOUT_THE_CLIENT])
def test_identity_fields_of_a_client_are_dropped_in_every_spelling(name: bytes) -> None:
    for spelling in spellings(name):
        fields = sent((spelling, b"forged"), (spelling, b"forged too"), (b"Connection", spelling + b", close"))
        assert b"forged" not in b" ".join(value for _, value in fields)


@pytest.mark.parametrize("name", OVERRIDES)
def test_no_field_makes_the_upstream_serve_another_request_than_was_checked(name: bytes) -> None:
    for spelling in spellings(name):
        assert b"/other" not in b" ".join(value for _, value in sent((spelling, b"/other")))


def test_fields_of_the_gateway_occur_once_and_cannot_be_dropped_by_connection() -> None:
    named = (
        b"Connection",
        b"X-MCP-Key-Id, x-mcp-owner, X-Forwarded-For, X-Forwarded-Proto, Host, Authorization, Accept",
    )
    fields = sent(named, (b"X-Mcp-Key-Id", b"forged"), (b"Host", b"evil"), (b"Authorization", b"Bearer client"))
    expected = {
        b"X-MCP-Key-Id": b"key_1",
        b"X-MCP-Owner": b"ann@example.com",
        b"Host": b"up:8002",
        b"X-Forwarded-For": b"192.0.2.1",
        b"X-Forwarded-Proto": b"https",
        b"X-Forwarded-Host": b"gw.example",
        b"Authorization": b"Bearer up",
        b"Accept-Encoding": b"identity",
        b"Accept": b"application/json, text/event-stream",
    }
    assert sorted(fields) == sorted(expected.items())


def test_identity_fields_are_absent_unless_identity_is_forwarded() -> None:
    fields = upstream_headers(
        [(b"X_MCP.Owner", b"root")],
        (),
        UpstreamIdentity(host=b"up", authorization=None),
        ForwardedClient("a", "http", "h"),
    )
    assert values(fields, b"x-mcp-owner") == values(fields, b"x-mcp-key-id") == values(fields, b"authorization") == []


def test_server_settings_with_similar_names_are_forwarded() -> None:
    for name in (b"X-MCP-Toolsets", b"X-MCP-Readonly", b"X-Custom", b"x_custom", b"X.Custom", b"X-API-Key", b"X-Owner"):
        assert (name, b"v") in sent((name, b"v"))


def test_fields_named_in_connection_are_dropped_except_those_of_the_protocol() -> None:
    needed = [
        (b"Mcp-Session-Id", b"s"),
        (b"MCP-Protocol-Version", b"v"),
        (b"Mcp-Method", b"m"),
        (b"Last-Event-ID", b"1"),
    ]
    named = (b"Connection", b"X-Hop, " + b", ".join(name for name, _ in needed))
    fields = sent(named, *needed, (b"X-Hop", b"h"), (b"X-Kept", b"k"))
    assert [field for field in fields if field in needed] == needed
    assert (values(fields, b"x-hop"), values(fields, b"x-kept")) == ([], [b"k"])


_field_names = st.text(string.ascii_letters + string.digits + "-_.!", min_size=1, max_size=24).map(str.encode)
_field = st.tuples(
    _field_names
    | st.sampled_from([*IDENTITY, *ABOUT_THE_CLIENT, b"Connection", b"Cookie", b"TE", b"Upgrade", b"Expect"]),
    st.binary(max_size=20) | st.sampled_from([*IDENTITY, b"close", b"X-Forwarded-For"]),
)


@given(st.lists(_field, max_size=8))
def test_fields_of_the_gateway_occur_once_whatever_a_client_sends(fields: list[tuple[bytes, bytes]]) -> None:
    out = upstream_headers(fields, (), UPSTREAM, CLIENT)
    for name, value in [
        *((b"host", b"up:8002"), (b"authorization", b"Bearer up"), (b"accept-encoding", b"identity")),
        *((b"x-forwarded-for", b"192.0.2.1"), (b"x-mcp-key-id", b"key_1"), (b"x-mcp-owner", b"ann@example.com")),
    ]:
        assert values(out, name) == [value]
    for name in (b"cookie", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"te", b"expect"):
        assert values(out, name) == []


async def test_the_upstream_receives_only_the_identity_that_the_gateway_sets(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, forward_identity=True) as gateway:
        record, key = await gateway.new_key()
        forged = [spelling + b": forged" for name in (*IDENTITY, *ABOUT_THE_CLIENT) for spelling in spellings(name)[:6]]
        responses = await exchange(
            gateway, request(POST, b"Connection: close, X-MCP-Key-Id, X-Forwarded-For", *forged, key=key)
        )
    assert [response.status for response in responses] == [200]
    (seen,) = upstream.requests
    assert b"forged" not in seen.head
    fields = seen.fields
    assert values(fields, b"x-mcp-key-id") == [record.key_id.encode()]
    assert values(fields, b"x-mcp-owner") == [b"ann@example.com"]
    assert values(fields, b"x-forwarded-for") == [b"127.0.0.1"]
    assert values(fields, b"x-forwarded-host") == [b"localhost"]


# Unique fields.


@pytest.mark.parametrize(
    "name",
    [
        *(b"Authorization", b"Mcp-Session-Id", b"MCP-Protocol-Version", b"Mcp-Method", b"Mcp-Name", b"Content-Type"),
        *(b"Content-Encoding", b"Host", b"Origin", b"Expect", b"Last-Event-ID"),
    ],
)
async def test_a_repeated_unique_field_is_rejected(gateway: Gateway, upstream: ScriptedUpstream, name: bytes) -> None:
    key = await gateway.key()
    value = b"Bearer " + key.encode() if name == b"Authorization" else b"v"
    twice = [name + b": " + value, name.swapcase() + b": " + value]
    raw = request(POST, *twice, key=None if name == b"Authorization" else key)
    await assert_all_denied(gateway, upstream, {name: raw}, 400)


@pytest.mark.parametrize(
    "name", [b"Mcp_Session_Id", b"Mcp-Session.Id", b"MCP_Protocol_Version", b"Content_Type", b"Mcp_Method"]
)
async def test_a_field_that_could_be_mistaken_for_a_unique_one_is_rejected(
    gateway: Gateway, upstream: ScriptedUpstream, name: bytes
) -> None:
    await assert_all_denied(gateway, upstream, {name: request(POST, name + b": x", key=await gateway.key())}, 400)


async def test_a_session_id_that_a_server_could_strip_to_another_is_rejected(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    key = await gateway.key()
    ids = [b"", b"a b", b"a\tb", b"a\xa0", b"\x85a", b"a\xc2\xa0", b"\xe2\x80\x8ba", b"a\xff"]
    raws = {each: request(POST, b"Mcp-Session-Id: " + each, key=key) for each in ids}
    await assert_all_denied(gateway, upstream, raws, 400)


async def test_a_key_with_non_ascii_bytes_is_rejected(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = (await gateway.key()).encode()
    values_ = [b"Bearer " + key + b"\xa0", b"Bearer \xc2\xa0" + key, b"\x85Bearer " + key, b"Bearer\t" + key]
    raws = {each: request(POST, b"Authorization: " + each) for each in values_}
    await assert_all_denied(gateway, upstream, raws, 400)


@given(st.lists(st.tuples(_field_names, st.binary(max_size=8)), max_size=6))
def test_the_check_returns_a_value_for_each_name_or_raises(fields: list[tuple[bytes, bytes]]) -> None:
    try:
        checked = check_request_headers(fields)
    except HeaderError:
        return
    assert checked.keys() == {name.lower() for name, _ in fields}


# Secrets.


async def test_a_clients_key_and_cookies_are_neither_forwarded_nor_logged(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = await gateway.key()
    text = key.encode()
    fields = [
        *(b"Cookie: session=hidden", b"Cookie: b=hidden", b"Proxy-Authorization: Basic hidden", b"X-API-Key: " + text),
        *(b"X-Authorization: Bearer " + text, b"Referer: http://localhost/?key=" + text, b"X-Other: kept"),
    ]
    assert [response.status for response in await exchange(gateway, request(POST, CLOSE, *fields, key=key))] == [200]
    (seen,) = upstream.requests
    assert text not in seen.head
    assert b"hidden" not in seen.head
    assert seen.values("x-other") == [b"kept"]
    refused = [
        request(POST, CLOSE, b"Authorization: Bearer sk-wrong-" + text[9:]),
        request(POST, CLOSE, b"Authorization: Basic " + text),
        request(POST, b"Authorization: Bearer " + text, key=key),
        request(b"GET /mcp HTTP/1.1", CLOSE, b"Mcp-Session-Id: \xff", key=key, body=b"", length=False),
        request(POST, b"Content-Encoding: gzip", CLOSE, key=key),
    ]
    for raw in refused:
        assert [response.status // 100 for response in await exchange(gateway, raw)] == [4]
    assert len(upstream.requests) == 1
    assert text[3:20].decode() not in caplog.text
    assert "hidden" not in caplog.text


# Forwarding fields.


async def test_forwarding_fields_of_an_untrusted_peer_are_ignored(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key(allowed_ips=("10.0.0.0/8",))
    names = [b"X-Forwarded-For", b"X-Real-IP", b"Forwarded", b"X_Forwarded_For", b"True-Client-IP", b"X-Client-IP"]
    raws = {name: request(POST, CLOSE, name + b": 10.0.0.1", key=key) for name in names}
    await assert_all_denied(gateway, upstream, raws, 403)


async def test_forwarding_fields_of_a_trusted_proxy_are_used(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path, trusted_proxies=("127.0.0.1",)) as gateway:
        key = await gateway.key(allowed_ips=("10.0.0.0/8",))
        forwarded = [b"X-Forwarded-For: 10.0.0.1, 192.0.2.1", b"X-Forwarded-For: 10.0.0.7", b"X-Forwarded-Proto: https"]
        assert [each.status for each in await exchange(gateway, request(POST, CLOSE, *forwarded, key=key))] == [200]
        written_by_the_client = b"X-Forwarded-For: 10.0.0.1, 192.0.2.1"
        assert [
            each.status for each in await exchange(gateway, request(POST, CLOSE, written_by_the_client, key=key))
        ] == [403]
    (seen,) = upstream.requests
    assert (seen.values("x-forwarded-for"), seen.values("x-forwarded-proto")) == ([b"10.0.0.7"], [b"https"])


# Response headers.


def test_fields_that_concern_the_gateway_alone_are_not_sent_to_the_client() -> None:
    kept = [
        *((b"Content-Type", b"a/b"), (b"Cache-Control", b"no-store"), (b"Retry-After", b"3"), (b"ETag", b"e")),
        *((b"X-A", b"a"), (b"x-a", b"b"), (b"X-\xc3\xa9", b"\xe9\xc3\xa9"), (b"Mcp-Session-Id", b"s")),
        *((b"Vary", b"Origin"), (b"Trailer", b"t"), (b"Last-Modified", b"l"), (b"Via", b"v")),
    ]
    dropped = [
        *((b"Connection", b"keep-alive, X-Hop, Mcp-Session-Id"), (b"X-Hop", b"h"), (b"Keep-Alive", b"timeout=5")),
        *((b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5"), (b"Upgrade", b"x")),
        *((b"Access-Control-Allow-Origin", b"*"), (b"access-control-expose-headers", b"x"), (b"RateLimit", b"r")),
        *((b"Timing-Allow-Origin", b"*"), (b"RateLimit-Policy", b"r"), (b"Proxy-Authenticate", b"p")),
        *((b"WWW-Authenticate", b"w"), (b"Authentication-Info", b"a"), (b"Set-Cookie", b"a"), (b"Set-Cookie2", b"a")),
        *((b"Location", b"http://in"), (b"Content-Location", b"/in"), (b"Refresh", b"1;/in"), (b"Link", b"</in>")),
        *((b"Alt-Svc", b"h3=:1"), (b"Report-To", b"{}"), (b"Reporting-Endpoints", b"a"), (b"NEL", b"{}")),
        *((b"Strict-Transport-Security", b"max-age=1"), (b"Public-Key-Pins", b"p"), (b"Expect-CT", b"e")),
        *((b"Clear-Site-Data", b"*"), (b"Accept-CH", b"a"), (b"Critical-CH", b"a"), (b"Service-Worker-Allowed", b"/")),
        *((b"X-Accel-Redirect", b"/in"), (b"X-Accel-Buffering", b"yes"), (b"X-Sendfile", b"/etc/passwd")),
        *((b"Server", b"uvicorn"), (b"X-Powered-By", b"Express"), (b"SourceMap", b"/in")),
    ]
    assert client_headers([*dropped, *kept]) == kept
    assert client_headers([*kept, *dropped], 200) == kept


def test_only_a_response_that_is_passed_on_keeps_its_challenge() -> None:
    field = (b"WWW-Authenticate", b"Bearer")
    assert [client_headers([field], status) for status in (401, 403, 200, 404)] == [[field], [field], [], []]


def test_a_session_id_is_sent_once() -> None:
    once = [(b"Mcp-Session-Id", b"s"), (b"X", b"y")]
    assert client_headers([*once, (b"mcp-session-id", b"s")]) == once
    assert client_headers([(b"Mcp-Session-Id", b"s, s"), (b"X", b"y")]) == once


async def test_fields_of_a_response_are_sent_byte_for_byte(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    fields = b"X-Utf8: \xc3\xa9\r\nX-Latin1: a\xe9b\r\nX-Empty:\r\nX-Tab: a\tb\r\nX-Two: a=1\r\nx-two: b=2\r\n"
    upstream.answer = answer_raw(b"HTTP/1.1 200 Gr\xfc\xdf\r\nContent-Length: 2\r\n" + fields + b"\r\n{}")
    raw = await gateway.raw(request(POST, CLOSE, key=await gateway.key()))
    head = raw.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert head.startswith(b"HTTP/1.1 200 Gr\xfc\xdf\r\n")
    for line in fields.replace(b"X-Empty:", b"X-Empty: ").split(b"\r\n"):
        assert line + b"\r\n" in head


@pytest.mark.parametrize("value", [b"a\rX-Evil: b", b"a\nX-Evil: b", b"a\r\n X-Evil: b", b"a\0b"])
async def test_a_line_end_in_a_field_of_a_response_does_not_split_it(
    gateway: Gateway, upstream: ScriptedUpstream, value: bytes
) -> None:
    upstream.answer = answer_raw(b"HTTP/1.1 200 OK\r\nX: " + value + b"\r\nContent-Length: 2\r\n\r\n{}")
    (response,) = await exchange(gateway, request(POST, CLOSE, key=await gateway.key()))
    assert (response.status, response.values("x-evil")) == (502, [])


async def test_trailers_of_a_response_are_sent_as_trailers(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    trailers = b"0\r\nX-Checksum: 1\r\nX-More: \xe9\r\nSet-Cookie: a\r\nConnection: x\r\n\r\n"
    for type_, body in ((b"application/json", PING), (b"text/event-stream", b"data: 1\n\n")):
        upstream.answer = answer_raw(
            b"HTTP/1.1 200 OK\r\nTrailer: X-Checksum\r\nTransfer-Encoding: chunked\r\nContent-Type: "
            + type_
            + b"\r\n\r\n"
            + chunked(body, end=trailers)
        )
        raw = await gateway.raw(request(POST, CLOSE, key=await gateway.key()))
        head, _, rest = raw.partition(b"\r\n\r\n")
        assert b"X-Checksum: " not in head
        assert b"\r\nTrailer: X-Checksum" in head
        assert rest == chunked(body, end=b"0\r\nX-Checksum: 1\r\nX-More: \xe9\r\n\r\n")


async def test_bytes_after_a_response_add_no_field_to_it(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    evil = b"HTTP/1.1 200 Evil\r\nSet-Cookie: evil\r\nContent-Length: 4\r\n\r\nevil"
    upstream.answer = answer_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + evil)
    for _ in range(2):
        raw = await gateway.raw(request(POST, CLOSE, key=await gateway.key()))
        assert b"vil" not in raw
        assert raw.endswith(b"\r\n\r\n{}")
    assert upstream.connections == 2
