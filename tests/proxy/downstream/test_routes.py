"""The paths of the endpoint and of clients that look for OAuth."""

from __future__ import annotations

import json

import pytest

from gateway.proxy.downstream.routes import Routes
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import ScriptedUpstream

ROUTES = Routes(("/messages", "/mcp", "/team/mcp", "/slash/"))
OAUTH_ERROR = (
    '{"error":"invalid_request","error_description":"This MCP server takes an API key: send the header '
    'Authorization: Bearer sk-…"}'
).encode()


def test_a_configured_path_is_the_endpoint_also_with_one_trailing_slash() -> None:
    paths = ("/mcp", "/mcp/", "/messages", "/messages/", "/team/mcp/", "/slash/")
    assert all(map(ROUTES.is_endpoint, paths))
    others = ("/", "", "//", "/mcp//", "//mcp", "/MCP", "/mcp/x", "/mc", "/mcp%2f", "/slash", "/slash//", "/team")
    assert not any(map(ROUTES.is_endpoint, others))
    assert Routes(("/",)).is_endpoint("/")
    assert not Routes(("/",)).is_endpoint("//")


def test_oauth_probes_are_recognized_at_the_root_and_below_a_configured_path() -> None:
    for root in ("", "/mcp", "/messages", "/team/mcp", "/slash"):
        for path in ("/register", "/token", "/authorize", "/.well-known", "/.well-known/", "/.well-known/a/mcp"):
            assert ROUTES.is_oauth_probe(root + path)
    others = ("/registers", "/register/", "/x/token", "/.well-knownx", "/x/.well-known/a", "/team/token", "/Token", "/")
    assert not any(map(ROUTES.is_oauth_probe, others))
    assert Routes(("/",)).is_oauth_probe("/register")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    "path",
    [
        *("/register", "/token", "/authorize?client_id=x", "/.well-known/oauth-authorization-server/mcp"),
        *("/.well-known/oauth-protected-resource/mcp", "/mcp/.well-known/openid-configuration", "/mcp/register"),
    ],
)
async def test_a_client_that_looks_for_oauth_is_told_to_send_a_key(
    gateway: Gateway, upstream: ScriptedUpstream, method: str, path: str
) -> None:
    data = {"client_name": "x"} if method == "POST" else None
    for key in (None, await gateway.key()):
        response = await gateway.request(method, path, key=key, data=data, Origin="http://localhost:6274")
        assert (response.status, response.body) == (404, OAUTH_ERROR)
        assert response.headers["Content-Type"].startswith("application/json")
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:6274"
        assert "Access-Control-Expose-Headers" in response.headers
    assert upstream.requests == []
    assert set(gateway.metrics.reasons) == {"oauth"}


async def test_a_head_request_of_an_oauth_path_is_404(gateway: Gateway) -> None:
    response = await gateway.request("HEAD", "/.well-known/oauth-protected-resource")
    assert (response.status, response.body) == (404, b"")
    assert response.headers["Content-Length"] == str(len(OAUTH_ERROR))


async def test_a_preflight_of_an_oauth_path_lets_the_page_read_the_error(gateway: Gateway) -> None:
    response = await gateway.request(
        "OPTIONS",
        "/.well-known/oauth-protected-resource/mcp",
        Origin="http://localhost:6274",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="mcp-protocol-version",
    )
    assert (response.status, response.headers["Access-Control-Allow-Headers"]) == (204, "mcp-protocol-version")


async def test_an_oauth_path_of_a_foreign_origin_is_403(gateway: Gateway) -> None:
    response = await gateway.request("GET", "/.well-known/oauth-protected-resource", Origin="http://evil.example")
    assert response.status == 403
    assert "Access-Control-Allow-Origin" not in response.headers


def test_the_oauth_error_is_json() -> None:
    assert json.loads(OAUTH_ERROR).keys() == {"error", "error_description"}
