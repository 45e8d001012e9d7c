"""Responses to browsers: what a preflight is granted."""

from __future__ import annotations

from gateway.proxy.downstream.cors import MAX_REQUESTED_HEADERS, cors_headers, options_response
from tests.support.gateway import Gateway

ORIGIN = b"https://app.example"


def granted(requested: bytes | None, **fields: bytes) -> dict[str, str]:
    """Return the CORS fields of the response to a preflight that asks for these header names."""
    asked = {} if requested is None else {b"access-control-request-headers": requested}
    asked |= {name.replace("_", "-").encode(): value for name, value in fields.items()}
    lines = options_response(ORIGIN, asked).head.text.decode().split("\r\n")
    return {name: value for name, _, value in (line.partition(": ") for line in lines) if "Access-Control" in name}


def test_a_preflight_is_granted_the_header_names_that_it_asks_for() -> None:
    for names in ("mcp-param-region", "authorization, x-trace-id,mcp-param-a", "X-API-Key", "a!#$%&'*+.^_`|~9"):
        allowed = granted(names.encode())["Access-Control-Allow-Headers"]
        assert allowed.split(", ") == names.replace(", ", ",").split(",")


def test_a_preflight_that_asks_for_no_names_is_granted_those_of_the_protocol() -> None:
    allowed = granted(None)["Access-Control-Allow-Headers"]
    for name in ("Authorization", "Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Last-Event-ID"):
        assert name in allowed


def test_a_preflight_that_asks_for_too_many_names_or_an_invalid_one_is_granted_none() -> None:
    most = b",".join(b"x-%d" % number for number in range(MAX_REQUESTED_HEADERS))
    assert granted(most)["Access-Control-Allow-Headers"].count(",") == MAX_REQUESTED_HEADERS - 1
    for names in (most + b",x", b"a b", b"x-a, x:b", b"x-\xe9", b'"x"', b"a;b", b"a/b", b"a\0"):
        fields = granted(names)
        assert "Access-Control-Allow-Headers" not in fields
        assert fields["Access-Control-Allow-Origin"] == ORIGIN.decode()
    assert "Access-Control-Allow-Headers" not in granted(b"")
    assert granted(b"a,, b,")["Access-Control-Allow-Headers"] == "a, b"


def test_a_page_is_told_that_it_may_use_a_private_network_if_it_asks() -> None:
    name = "Access-Control-Allow-Private-Network"
    assert granted(b"a", access_control_request_private_network=b"true")[name] == "true"
    assert name not in granted(b"a", access_control_request_private_network=b"false")
    assert name not in granted(b"a")


def test_a_request_without_an_origin_gets_no_cors_fields() -> None:
    assert cors_headers(None) == []
    assert b"Access-Control" not in options_response(None, {b"access-control-request-headers": b"a"}).head.text


async def test_a_preflight_is_answered_on_the_endpoint_without_a_key(gateway: Gateway) -> None:
    fields = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,content-type,mcp-param-region,traceparent",
        "Access_Control_Request_Private_Network": "true",
    }
    response = await gateway.request("OPTIONS", Origin="http://localhost:5173", **fields)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Headers"].split(", ") == [
        *("authorization", "content-type", "mcp-param-region", "traceparent")
    ]
    assert response.headers["Access-Control-Allow-Private-Network"] == "true"
    assert response.headers["Access-Control-Expose-Headers"].startswith("Mcp-Session-Id, ")
    foreign = await gateway.request("OPTIONS", Origin="http://evil.example", **fields)
    assert foreign.status == 403
    assert not [name for name in foreign.headers if name.startswith("Access-Control")]
