"""Production: `mcp-gateway proxy` and `mcp-gateway admin` as separate processes on configured engines."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.admin_client import AdminClient
from tests.support.metrics import Scrape, scraped
from tests.support.production import EMAIL, JWT_SECRET, PASSWORD, Production, login, production_engines
from tests.support.running_up import COMMAND, Running
from tests.support.waiting import wait_until

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
CALL = {
    "jsonrpc": "2.0",
    "id": "a",
    "method": "tools/call",
    "params": {"name": "query_stock_daily", "arguments": {"symbol": "IBM", "start": "2010-01-04", "limit": 7}},
}
MODERN = {"MCP-Protocol-Version": "2026-07-28"}


@pytest.fixture(scope="module")
def proxy(production: Production) -> Iterator[Running]:
    """The proxy."""
    with production.proxy() as running:
        yield running


def run_to_the_end(*arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Run a command that must not start; return its exit code and its log lines."""
    with tempfile.TemporaryDirectory() as folder:
        running = Running(*arguments, data_dir=Path(folder), **environment)  # type: ignore[arg-type]
        code = running.wait()
    assert running.output == []
    return code, running.log


def test_from_login_to_usage(proxy: Running, operator: AdminClient) -> None:
    key = operator.new_key("laptop")
    answer = proxy.rpc(CALL, key.text, path="/messages")
    assert answer.status_code == 200, answer.text
    (call,) = operator.calls(key.key_id, expected=1)
    assert (call["tool_name"], call["table_name"], call["record_count"]) == ("query_stock_daily", "stock_daily", 7)
    assert (call["key_name"], call["owner"], call["request_id"]) == ("laptop", EMAIL, '"a"')


def test_no_configured_secret_is_printed(proxy: Running, production_admin: Running) -> None:
    printed = "\n".join([*proxy.output, *proxy.log, *production_admin.output, *production_admin.log])
    assert PASSWORD not in printed
    assert JWT_SECRET not in printed
    assert EMAIL in production_admin.text


def test_a_revoked_key_is_rejected_on_every_worker_within_100_ms(proxy: Running, operator: AdminClient) -> None:
    key = operator.new_key("short-lived")
    # Each on a new connection: the kernel spreads them over the workers, so that both have the key in their caches.
    assert {status_on_new_connection(proxy, key.text) for _ in range(40)} == {200}
    operator.revoke(key.key_id)
    revoked = time.monotonic()
    seen: list[tuple[float, int]] = []
    while (sent := time.monotonic() - revoked) < 0.6:
        seen.append((sent, status_on_new_connection(proxy, key.text)))
    late = [status for sent, status in seen if sent >= 0.1]
    assert len(late) > 40
    assert set(late) == {401}
    refused = proxy.rpc(LIST, key.text)
    assert refused.json()["error"] == {"code": -32001, "message": "Invalid or expired API key"}


def test_usage_is_not_lost_while_no_admin_process_runs(production: Production) -> None:
    # On separate engines, because only one process can open a chDB folder.
    with tempfile.TemporaryDirectory(prefix="production-") as folder:
        url = production.environment["GATEWAY_UPSTREAM_URL"]
        with production_engines(Path(folder), url) as engines, engines.proxy() as proxy:
            with engines.admin() as first:
                operator = login(first)
                key = operator.new_key("steady")
                token = operator.token
                assert proxy.rpc(CALL, key.text).status_code == 200
            assert proxy.rpc(CALL, key.text).status_code == 200
            with engines.admin() as second:
                # The token from before the restart is still valid.
                assert len(AdminClient(second, token).calls(key.key_id, expected=2)) == 2
                assert "password" not in second.text, "the first admin is shown only once"


def test_the_other_commands_find_the_configured_engines(proxy: Running, operator: AdminClient) -> None:
    command = [COMMAND, "key", "create", "--owner", EMAIL, "--name", "from the command line", "--json"]
    made = subprocess.run(command, env=proxy.environment, capture_output=True, text=True, timeout=30)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    assert proxy.rpc(CALL, key["api_key"]).status_code == 200
    assert len(operator.calls(key["key_id"], expected=1)) == 1


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("proxy", ["GATEWAY_UPSTREAM_URL", "GATEWAY_REDIS_URL"]),
        ("admin", ["GATEWAY_REDIS_URL", "GATEWAY_CLICKHOUSE_URL", "GATEWAY_JWT_SECRET"]),
    ],
)
def test_each_missing_setting_of_a_command_is_named_on_one_line(command: str, needed: list[str]) -> None:
    code, log = run_to_the_end(command)
    assert code == 1
    assert [line.split(":")[1].strip() for line in log] == needed
    assert all(f"is required by `mcp-gateway {command}`: set it to " in line for line in log)


def test_a_short_jwt_secret_is_rejected_and_not_shown(production: Production) -> None:
    secret = "only-31-bytes-of-secret-text-xx"
    code, (line,) = run_to_the_end("admin", **{**production.environment, "GATEWAY_JWT_SECRET": secret})
    assert code == 1
    assert line.startswith("mcp-gateway: GATEWAY_JWT_SECRET: must have at least 32 bytes")
    assert secret not in line


def test_all_faults_of_the_settings_are_reported_together(production: Production) -> None:
    faulty = {
        **production.environment,
        "GATEWAY_JWT_SECRET": "short",
        "GATEWAY_CLICKHOUSE_URL": "clickhouse://somewhere",
        "GATEWAY_WORKERS": "none",
        "GATEWAY_PROXY_PROT": "1",
    }
    code, log = run_to_the_end("admin", **faulty)
    assert code == 1
    assert {line.split(":")[1].strip() for line in log} == faulty.keys() - production.environment.keys() | {
        "GATEWAY_JWT_SECRET",
        "GATEWAY_CLICKHOUSE_URL",
    }


def test_proxy_and_admin_are_alive_and_ready(proxy: Running, production_admin: Running) -> None:
    for url in (proxy.url, production_admin.admin_url):
        assert requests.get(f"{url}/healthz", timeout=30).status_code == 200
        assert requests.get(f"{url}/readyz", timeout=30).status_code == 200


def test_the_metrics_of_the_proxy_count_its_traffic(proxy: Running, operator: AdminClient) -> None:
    key = operator.new_key("measured")
    before = scraped(proxy)
    started = time.monotonic()
    for _ in range(3):
        assert proxy.rpc(CALL, key.text).status_code == 200
    assert proxy.rpc(CALL).status_code == 401
    elapsed = time.monotonic() - started
    after = scraped(proxy)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("mcp_gateway_requests_total", method="POST", status="200", reason="forwarded") == 3
    assert grown("mcp_gateway_requests_total", method="POST", status="401", reason="no_key") == 1
    assert grown("mcp_gateway_request_duration_seconds_count", method="POST") == 4
    assert grown("mcp_gateway_request_duration_seconds_bucket", method="POST", le="+Inf") == 4
    assert 0 < grown("mcp_gateway_request_duration_seconds_sum", method="POST") < elapsed
    # A key is looked up a second time if the body arrived after the head.
    assert grown("mcp_gateway_key_lookups_total") >= 3
    assert grown("mcp_gateway_usage_events_total", step="appended") == 3
    assert after.value("mcp_gateway_open_streams") == 0
    assert after.value("mcp_gateway_upstream_errors_total") == 0
    assert after.value("mcp_gateway_usage_spool_bytes") == 0


def test_the_metrics_of_the_admin_process_count_usage(
    proxy: Running, production_admin: Running, operator: AdminClient
) -> None:
    key = operator.new_key("written")
    assert proxy.rpc(CALL, key.text).status_code == 200
    # Then the usage of the previous tests has been written, too.
    assert len(operator.calls(key.key_id, expected=1)) == 1
    before = scraped(production_admin).value("mcp_gateway_usage_events_total", step="inserted")
    assert proxy.rpc(CALL, key.text).status_code == 200
    assert len(operator.calls(key.key_id, expected=2)) == 2
    after = scraped(production_admin)
    assert after.value("mcp_gateway_usage_events_total", step="inserted") == before + 1
    assert after.value("mcp_gateway_usage_insert_duration_seconds_count") > 0
    assert after.value("mcp_gateway_clickhouse_up") == 1
    assert after.value("mcp_gateway_usage_events_total", step="dead_lettered") == 0
    for name in ("mcp_gateway_usage_stream_entries", "mcp_gateway_usage_waiting_seconds"):
        assert name in after.families


def test_no_client_can_create_a_new_series(proxy: Running, operator: AdminClient) -> None:
    key = operator.new_key("inventive")

    def names(scrape: Scrape) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        return {(series.name, series.labels) for series in scrape.series}

    send_unusual_words(proxy, key.text, range(10))
    before = scraped(proxy)
    send_unusual_words(proxy, key.text, range(10, 40))
    after = scraped(proxy)
    assert names(after) == names(before)
    assert after.value("mcp_gateway_requests_total") >= before.value("mcp_gateway_requests_total") + 30 * 5
    assert {name for series in after.series for name, _ in series.labels} == {
        "method",
        "status",
        "reason",
        "le",
        "outcome",
        "step",
    }
    text = str(after.series)
    assert not any(word in text for word in (key.text, key.key_id, EMAIL, "query_stock_daily", "inventive"))


def send_unusual_words(proxy: Running, key: str, numbers: range) -> None:
    """Send requests with a new word in every place that a client controls."""
    for n in numbers:
        word = f"inventive{n}"
        proxy.rpc({**CALL, "params": {"name": word}}, key)
        proxy.rpc({**LIST, "method": word}, key, **{"User-Agent": word})
        proxy.rpc(LIST, f"sk-{word}")
        proxy.rpc(LIST, key, path=f"/{word}")
        proxy.rpc({**LIST, "method": word}, key, **{**MODERN, "Mcp-Method": word})
        requests.request(word.upper(), f"{proxy.url}/mcp", timeout=30)


def status_on_new_connection(proxy: Running, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.proxy_port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", "/mcp", json.dumps(LIST), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_metering_rules_are_reloaded_without_a_dropped_connection(
    production: Production, operator: AdminClient, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("")

    with production.proxy(GATEWAY_METERING_RULES=str(rules)) as running:
        key = operator.new_key("ruled")
        connections = [http.client.HTTPConnection("127.0.0.1", running.proxy_port, timeout=30) for _ in range(6)]

        def call_on_each() -> None:
            for connection in connections:
                connection.auto_open = int(connection.sock is None)
                fields = {"Authorization": f"Bearer {key.text}", "Content-Type": "application/json"}
                connection.request("POST", "/mcp", json.dumps(CALL), fields)
                assert connection.getresponse().read()

        call_on_each()
        rules.write_text('[[metering.rule]]\ntool = "query_*"\nrecords = "length(content)"\n')
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: sum("metering rules in force: 1" in line for line in running.log) == 2)
        call_on_each()
        calls = operator.calls(key.key_id, expected=12)
        assert [call["count_method"] for call in calls] == ["declared"] * 6 + ["rule"] * 6
        for connection in connections:
            connection.close()
