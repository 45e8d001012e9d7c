"""Properties of every response of the admin API."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable

import pytest

from admin_api.dependencies import Dependencies
from admin_api.http.addresses import allowed_hosts
from gateway.client_snippets import CLIENTS, Target
from gateway.metering.confidence import THRESHOLD, Sign
from gateway.redis import client as redis_client
from gateway.usage.store.connection import Timeouts
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import PASSWORD, USER, Api, assert_problem


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api//mcp-keys/list", "/assets/../app.py"])
async def test_unknown_paths_are_problems(api: Api, path: str) -> None:
    assert_problem(await api.request("GET", path), 404)


async def test_a_wrong_method_is_a_problem_that_names_the_allowed_one(api: Api) -> None:
    response = await api.request("GET", "/api/auth/login")
    assert_problem(response, 405)
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "text/json"])
async def test_a_body_that_is_not_declared_as_json_is_415(user: Api, content_type: str) -> None:
    response = await user.request(
        "POST",
        "/api/mcp-keys/create",
        data=json.dumps({"key_name": "x"}).encode(),
        headers={"Content-Type": content_type},
    )
    assert_problem(response, 415)


async def test_an_encoded_body_is_415(user: Api) -> None:
    response = await user.request(
        "POST",
        "/api/mcp-keys/create",
        data=b"{}",
        headers={"Content-Type": "application/json", "Content-Encoding": "br"},
    )
    assert_problem(response, 415)


@pytest.mark.parametrize("depth", [400, 600, 900])
async def test_deep_nesting_is_400(user: Api, depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        body = b'{"labels":' + opening * depth + b"1" + closing * depth + b"}"
        response = await user.request(
            "POST", "/api/mcp-keys/create", data=body, headers={"Content-Type": "application/json"}
        )
        assert_problem(response, 400)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 60_000, b'{"key_name":"\\ud800"}', b"\xef\xbb\xbf{}"],
    ids=lambda body: repr(body[:12]),
)
async def test_a_body_that_is_not_a_json_object_is_400(user: Api, body: bytes) -> None:
    response = await user.request(
        "POST", "/api/mcp-keys/create", data=body, headers={"Content-Type": "application/json"}
    )
    assert_problem(response, 400)
    assert response.fields == {"body"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"key_name":"x","calls_per_day":5,"calls_per_day":null}', "calls_per_day"),
        (b'{"key_name":"x","calls_per_day":5,"calls\\u005fper_day":6}', "calls_per_day"),
        (b'{"key_name":"x","tool_rate_limits":{"run_*":1,"run_*":1000}}', "run_*"),
    ],
)
async def test_a_member_that_is_repeated_is_400_and_named(user: Api, body: bytes, field: str) -> None:
    response = await user.request(
        "POST", "/api/mcp-keys/create", data=body, headers={"Content-Type": "application/json"}
    )
    assert_problem(response, 400)
    assert response.fields == {field}
    assert (await user.get("/api/mcp-keys/list")).body["keys"] == []


@pytest.mark.parametrize(("number", "status"), [("3.0", 201), ("3e0", 201), ("3.5", 400), ('"3"', 400), ("1e400", 400)])
async def test_a_whole_number_may_be_written_with_a_fraction_of_zero(user: Api, number: str, status: int) -> None:
    body = f'{{"key_name":"x","calls_per_day":{number}}}'
    response = await user.request(
        "POST", "/api/mcp-keys/create", data=body, headers={"Content-Type": "application/json"}
    )
    assert response.status == status
    if status == 201:
        assert [key["calls_per_day"] for key in await user.keys()] == [3]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_64_kib_is_413(user: Api, chunked: bool) -> None:
    body = b" " * (64 * 1024 + 1)

    async def chunks() -> object:
        yield body

    response = await user.request(
        "POST",
        "/api/mcp-keys/create",
        data=chunks() if chunked else body,
        headers={"Content-Type": "application/json"},
    )
    assert_problem(response, 413)


async def test_every_response_has_the_security_headers(api: Api) -> None:
    for path in ("/", "/assets/app.js", "/api/openapi.json", "/healthz", "/nothing", "/api/mcp-keys/list"):
        headers = (await api.request("GET", path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


async def test_responses_of_the_api_are_not_cached(user: Api) -> None:
    assert (await user.get("/api/mcp-keys/list")).headers["Cache-Control"] == "no-store"
    assert (await user.with_token(None).get("/api/mcp-keys/list")).headers["Cache-Control"] == "no-store"


async def test_a_cross_origin_preflight_is_rejected(api: Api) -> None:
    response = await api.request(
        "OPTIONS",
        "/api/auth/login",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert_problem(response, 405)
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1@evil", ""])
async def test_a_foreign_host_is_rejected_on_a_loopback_bind(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, host: str
) -> None:
    api = await serve(dataclasses.replace(deps, allowed_hosts=allowed_hosts("127.0.0.1", ())))
    assert_problem(await api.request("GET", "/api/openapi.json", headers={"Host": host}), 421)


async def test_a_foreign_host_is_logged_once_with_the_setting_that_allows_it(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, caplog: pytest.LogCaptureFixture
) -> None:
    api = await serve(dataclasses.replace(deps, allowed_hosts=allowed_hosts("127.0.0.1", ())))
    for _ in range(3):
        assert (await api.request("GET", "/", headers={"Host": "admin.example:8000"})).status == 421
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["the Host admin.example was refused; if clients may use it, add it to GATEWAY_ALLOWED_HOSTS"]


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1", "[::1]:8000", "gateway.example"])
async def test_loopback_and_configured_hosts_are_served(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, host: str
) -> None:
    hosts = allowed_hosts("127.0.0.1", ("gateway.example",))
    api = await serve(dataclasses.replace(deps, allowed_hosts=hosts))
    assert (await api.request("GET", "/api/openapi.json", headers={"Host": host})).status == 200


async def test_probes_are_served_under_any_host(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies
) -> None:
    api = await serve(dataclasses.replace(deps, allowed_hosts=allowed_hosts("127.0.0.1", ())))
    assert (await api.request("GET", "/healthz", headers={"Host": "10.1.2.3:8000"})).status == 200


async def test_ready_while_redis_and_clickhouse_are_available(api: Api) -> None:
    assert (await api.request("GET", "/healthz")).body == {"status": "ok"}
    response = await api.request("GET", "/readyz")
    assert (response.status, response.body) == (200, {"status": "ok", "redis": "ok", "clickhouse": "ok"})


async def test_not_ready_until_somebody_can_log_in(api: Api, deps: Dependencies) -> None:
    await deps.redis.flushall()
    response = await api.request("GET", "/readyz")
    assert (response.status, response.body) == (503, {"status": "starting", "redis": "ok", "clickhouse": "ok"})
    await deps.users.add("first@example.com", PASSWORD, "admin", only_if_empty=True)
    assert (await api.request("GET", "/readyz")).status == 200


async def test_not_ready_while_draining(api: Api, deps: Dependencies) -> None:
    deps.draining.set()
    response = await api.request("GET", "/readyz")
    assert (response.status, response.body["status"]) == (503, "draining")


async def test_redis_down_is_503_with_retry_after(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies
) -> None:
    down = redis_client.connect("unix:///nonexistent/valkey.sock")
    unavailable = dataclasses.replace(
        deps, redis=down, users=type(deps.users)(down, now_ms=deps.now_ms, passwords=deps.users.passwords)
    )
    api = await serve(unavailable)
    ready = await api.request("GET", "/readyz")
    assert (ready.status, ready.body["redis"], ready.body["clickhouse"]) == (503, "unavailable", "ok")
    response = await api.post("/api/auth/login", {"email": USER, "password": PASSWORD})
    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
    await down.aclose()


async def test_clickhouse_down_is_503_for_usage_only(
    serve: Callable[[Dependencies], Awaitable[Api]], api: Api, deps: Dependencies
) -> None:
    unavailable = UsageTable("http://127.0.0.1:9", timeouts=Timeouts(connect=1))
    client = await (await serve(dataclasses.replace(deps, usage=unavailable))).logged_in(USER)
    assert_problem(await client.get("/api/mcp-usage/stats"), 503)
    assert_problem(await client.get("/api/mcp-usage/history"), 503)
    assert (await client.get("/api/mcp-keys/list")).status == 200
    ready = await client.request("GET", "/readyz")
    assert (ready.status, ready.body["clickhouse"]) == (503, "unavailable")
    unavailable.close()


async def test_an_unexpected_error_is_500_without_details(
    user: Api, deps: Dependencies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("hidden cause")

    monkeypatch.setattr(deps.keys, "list", broken)
    response = await user.get("/api/mcp-keys/list")
    assert_problem(response, 500)
    assert "hidden" not in json.dumps(response.body)
    assert response.body["correlation_id"] in caplog.text
    assert "hidden cause" in caplog.text


async def test_info_contains_the_version_and_the_url_of_the_proxy(user: Api) -> None:
    response = await user.get("/api/info")
    assert response.body["version"] == "0.0.0-test"
    assert response.body["proxy_url"] == "http://127.0.0.1:8001/mcp"


async def test_info_explains_the_signs_of_a_count_and_has_the_threshold(user: Api) -> None:
    counts = (await user.get("/api/info")).body["counts"]
    assert counts["signs"]["witness_agrees"] == "the result states the same number"
    assert set(counts["signs"]) == {sign.value for sign in Sign}
    assert counts["threshold"] == THRESHOLD


async def test_info_has_the_configurations_of_all_clients_with_a_placeholder_for_the_key(user: Api) -> None:
    info = (await user.get("/api/info")).body
    assert {row["client"]: row["title"] for row in info["clients"]} == {
        name: client.title for name, client in CLIENTS.items()
    }
    for row in info["clients"]:
        expected = CLIENTS[row["client"]].build(Target(info["proxy_url"], info["key_placeholder"]))
        assert (row["where"], row["text"], row["powershell"]) == (expected.where, expected.text, expected.powershell)
        assert (row["link"] is None) == (expected.link is None)


async def test_info_has_the_public_url_if_one_is_set(
    serve: Callable[[Dependencies], Awaitable[Api]], api: Api, deps: Dependencies
) -> None:
    client = await serve(dataclasses.replace(deps, public_url="https://mcp.example.com/team/mcp"))
    response = await (await client.logged_in(USER)).get("/api/info")
    assert response.body["proxy_url"] == "https://mcp.example.com/team/mcp"
    assert all("https://mcp.example.com/team/mcp" in row["text"] for row in response.body["clients"])


async def test_the_dashboard_is_revalidated_with_its_etag(api: Api) -> None:
    first = await api.request("GET", "/")
    assert first.headers["Content-Type"] == "text/html; charset=utf-8"
    again = await api.request("GET", "/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, "")
