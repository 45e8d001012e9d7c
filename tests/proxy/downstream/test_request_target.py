"""Only exact paths and known methods reach a route, and no header changes them."""

from __future__ import annotations

import pytest

from tests.proxy.downstream.lines import POST
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
)
from tests.support.wire import (
    PING,
    assert_all_denied,
    request,
)


async def test_the_path_is_matched_exactly_as_sent(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    key = await gateway.key()
    targets = [
        b"//mcp",
        b"/mcp//",
        b"/mcp%2f",
        b"/%6dcp",
        b"/x/../mcp",
        b"/mcp/..",
        b"/mcp/.",
        b"/./mcp",
        b"/%2e/mcp",
        b"/mcp;x",
        b"/x/%2e%2e/mcp",
        b"/x/..;/mcp",
        b"/mcp%00",
        b"/mcp%23",
        b"/mcp%3f",
        b"/MCP",
        b"/mcp.",
        b"/mcp,",
        b"/mcp&a=b",
        b"/mcp\\",
        b"\\mcp",
        b"/x\\..\\mcp",
        b"/mcp#",
        b"/mcp#/healthz",
        b"/healthz#/mcp",
        b"/healthz#/../mcp",
        b"/mcp?#",
        b"/mcp?a#/healthz",
        b"/healthz/../mcp",
        b"/healthz/..%2fmcp",
        b"/healthz/",
        b"/healthz;/mcp",
        b"/mcp\xc3\xa9",
        b"http://localhost/mcp",
        b"http://evil.example/mcp",
        b"//evil.example/mcp",
        b"http:/mcp",
        b"mcp",
        b"*",
        b"?",
        b"/mcp\0",
        b"/mcp\x7f",
        b"/mcp?\xff",
        b"/mcp?a\tb",
        b"/mcp\x0c",
        b"localhost:80",
        b"/mcp\\?x",
        b"/mcp?x\\y",
        b"/mcp%5c",
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


async def test_the_query_does_not_select_a_public_route(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    await assert_all_denied(
        gateway,
        upstream,
        {
            target: request(b"POST " + target + b" HTTP/1.1", b"Connection: close")
            for target in (b"/mcp?/healthz", b"/mcp?path=/healthz", b"/messages?x=/readyz", b"/mcp?initialize")
        },
        401,
    )


async def test_unknown_methods_are_405_and_known_ones_need_a_key(gateway: Gateway, upstream: ScriptedUpstream) -> None:
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
async def test_an_override_header_changes_neither_method_nor_path(
    gateway: Gateway, upstream: ScriptedUpstream, name: bytes
) -> None:
    value = b"OPTIONS" if b"Method" in name else b"/healthz"
    await assert_all_denied(gateway, upstream, {name: request(POST, name + b": " + value, b"Connection: close")}, 401)
