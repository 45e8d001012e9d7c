"""Addresses of clients on sockets for IPv4 and IPv6, and a gateway that has IPv6 alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from gateway.accounts.login_limits import PER_ACCOUNT_AND_SOURCE
from tests.support.clean_run import clean_run
from tests.support.mcp_servers import DEMO, running_mcp_server
from tests.support.running_up import Running
from tests.support.waiting import wait_until

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "query_stock_daily", "arguments": {"symbol": "IBM", "limit": 2}},
}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def items(running: Running, path: str, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.admin("GET", path, token).json()["items"]
    return found


def test_on_sockets_for_both_a_client_with_ipv4_has_its_ipv4_address_everywhere(tmp_path: Path) -> None:
    with clean_run(
        "up",
        data_dir=tmp_path,
        expected=["Too many failed logins"],
        GATEWAY_HOST="::",
        GATEWAY_TRUSTED_PROXIES="127.0.0.1",
        GATEWAY_OPEN_HANDSHAKES_PER_ADDRESS="1",
    ) as running:
        token = running.token()

        def key_for(*addresses: str) -> dict[str, Any]:
            body = {"key_name": "an address", "expires_days": 1, "allowed_ips": list(addresses)}
            created: dict[str, Any] = running.admin("POST", "/api/mcp-keys/create", token, json=body).json()
            return created

        local, behind = key_for("127.0.0.1"), key_for("192.0.2.7")
        assert running.rpc(CALL, local["api_key"]).status_code == 200
        refused = running.rpc(CALL, behind["api_key"])
        assert refused.status_code == 403
        assert "127.0.0.1" in refused.text
        assert "ffff" not in refused.text
        forwarded = {"X-Forwarded-For": "192.0.2.7"}
        assert running.rpc(CALL, behind["api_key"], **forwarded).status_code == 200
        assert running.rpc(CALL, local["api_key"], **forwarded).status_code == 403

        statuses = [running.rpc(INITIALIZE, **headers).status_code for headers in ({}, forwarded)]
        assert statuses == [200, 200], "each address has its own limit"

        history = "/api/mcp-usage/history?status=ok"
        wait_until(lambda: len(items(running, history, token)) == 2)
        assert sorted(item["client_ip"] for item in items(running, history, token)) == ["127.0.0.1", "192.0.2.7"]

        def last_address() -> Any:
            shown = running.admin("GET", f"/api/mcp-keys/show?key_id={local['key_id']}", token).json()
            return shown["secrets"][0]["address"]

        wait_until(lambda: last_address() is not None)
        assert last_address() == "127.0.0.1"
        acts = items(running, "/api/audit?limit=100", token)
        assert {item["address"] for item in acts} - {"first start", "command line"} == {"127.0.0.1"}

        def login(address: str, password: str) -> int:
            url = f"http://{address}:{running.admin_port}/api/auth/login"
            body = {"email": running.login["email"], "password": password}
            return requests.post(url, json=body, timeout=30).status_code

        wrong = [login("127.0.0.1", "a wrong password") for _ in range(PER_ACCOUNT_AND_SOURCE.free + 1)]
        assert (wrong[0], wrong[-1]) == (401, 429)
        assert login("[::1]", running.login["password"]) == 200, "another source"
        assert "::ffff:" not in "\n".join(running.log)


def test_everything_works_over_ipv6_alone(tmp_path: Path) -> None:
    with (
        running_mcp_server(*DEMO, "--host", "::1") as server,
        clean_run("up", "--upstream", server.url, data_dir=tmp_path, GATEWAY_HOST="::1") as running,
    ):
        assert server.url.startswith("http://[::1]:")
        proxy, admin = f"http://[::1]:{running.proxy_port}", f"http://[::1]:{running.admin_port}"
        headers = {"Authorization": f"Bearer {running.key}", "Accept": "application/json, text/event-stream"}
        for path in ("/mcp", "/messages"):
            assert requests.post(proxy + path, json=CALL, headers=headers, timeout=30).status_code == 200
        assert requests.get(f"{proxy}/readyz", timeout=30).status_code == 200
        token = requests.post(f"{admin}/api/auth/login", json=running.login, timeout=30).json()["access_token"]

        def addresses() -> list[str]:
            url, bearer = f"{admin}/api/mcp-usage/history", {"Authorization": f"Bearer {token}"}
            return [item["client_ip"] for item in requests.get(url, headers=bearer, timeout=30).json()["items"]]

        wait_until(lambda: len(addresses()) == 2)
        assert addresses() == ["::1", "::1"]
