"""No secret that passes through the gateway stays in a log, a store, a metric, an answer or a file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from gateway.keys.secret import ApiKey
from tests.support.api_document import OPERATIONS
from tests.support.canaries import (
    Canaries,
    content_of_folder,
    content_of_redis,
    content_of_tables,
    json_or_text,
)
from tests.support.ports import free_port
from tests.support.running_up import COMMAND, Running, processes_under
from tests.support.valkey import running_valkey
from tests.support.waiting import wait_until

ADMIN = "root@example.com"
USER = "ada@example.com"


class Passage:
    """A gateway through which the canaries pass, and everything that it lets see afterwards."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.canaries = Canaries()
        add = self.canaries.add
        self.password = add("password", "canary of the admin's password")
        self.running = Running(
            "up",
            data_dir=folder / "data",
            GATEWAY_ADMIN_EMAIL=ADMIN,
            GATEWAY_ADMIN_PASSWORD=self.password,
            GATEWAY_JWT_SECRET=add("JWT secret", "canary-of-the-secret-of-access-tokens"),
            GATEWAY_KEY_PEPPER=add("pepper", "canary-of-the-pepper-of-the-digests"),
            GATEWAY_UPSTREAM_AUTHORIZATION=f"Bearer {add('upstream', 'canary-of-the-upstream')}",
            GATEWAY_WEBHOOK_URL=f"http://127.0.0.1:{free_port()}/{add('webhook', 'canary-of-the-webhook-url')}",
            GATEWAY_WEBHOOK_SECRET=add("webhook secret", "canary-of-the-webhook-secret"),
            GATEWAY_LOG_LEVEL="debug",
        )
        self.answers: dict[str, str] = {}
        """Answers without the secrets that are for their client."""
        self.errors: dict[str, str] = {}
        """Headers and bodies of errors."""
        self.found: dict[str, dict[str, str | bytes]] = {}
        """Contents of the stores, metrics and files, by place."""

    def __enter__(self) -> Passage:
        self.running.until_ready()
        self.first_key = self.canaries.add("first key", self.running.key)
        return self

    def __exit__(self, *_: object) -> None:
        self.running.stop()

    def send(self, method: str, path: str, *, url: str | None = None, **options: Any) -> Any:
        """Send a request; return its answer."""
        response = requests.request(method, f"{url or self.running.admin_url}{path}", timeout=30, **options)
        name = f"{len(self.answers) + len(self.errors)} {method} {path} {response.status_code}"
        body = json_or_text(response.content)
        if response.status_code >= 400:
            self.errors[name] = f"{dict(response.headers)} {response.text}"
        else:
            self.answers[name] = json.dumps(self.canaries.without_secrets(body))
        cookie = response.cookies.get("mcp_gateway_token")
        if cookie:
            self.canaries.add("cookie", cookie)
        return body

    def login(self, email: str = ADMIN, password: str | None = None) -> dict[str, str]:
        """Log in; return the headers of further requests."""
        credentials = {"email": email, "password": password or self.password}
        return {"Authorization": f"Bearer {self.send('POST', '/api/auth/login', json=credentials)['access_token']}"}

    def command(self, *arguments: str, given: str = "") -> str:
        """Run a command; return its output, which may have secrets for its user. Its log must have none."""
        done = subprocess.run(
            [COMMAND, *arguments],
            env=self.running.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.errors[f"{len(self.errors)} {' '.join(arguments[:2])}"] = done.stderr
        with contextlib.suppress(ValueError):
            self.canaries.without_secrets(json.loads(done.stdout))
        return done.stdout


@pytest.fixture
def passage(tmp_path: Path) -> Passage:
    folder = tmp_path / "canaries"
    folder.mkdir()
    with Passage(folder) as passage:
        through_logins(passage)
        through_operations(passage)
        through_commands(passage)
        through_proxy(passage)
        passage.found["spool"] = through_spool(passage)
        read_answers(passage)
        passage.command("backup", str(folder / "backup.tar"))
        with redis.Redis(unix_socket_path=str(passage.running.data_dir / "valkey.sock")) as client:
            passage.found["Redis"] = dict(content_of_redis(client))
    passage.found["data folder"] = dict(content_of_folder(passage.running.data_dir))
    (folder / "backup").mkdir()
    subprocess.run(["tar", "-xf", folder / "backup.tar", "-C", folder / "backup"], check=True)
    passage.found["backup"] = dict(content_of_folder(folder / "backup"))
    parquet = sorted((folder / "backup").rglob("*.parquet"))
    passage.found["ClickHouse"] = {"rows": content_of_tables(passage.running.data_dir / "clickhouse", *parquet)}
    return passage


def through_logins(passage: Passage) -> None:
    """Pass passwords, tokens, cookies and links."""
    add = passage.canaries.add
    admin = passage.login()
    passage.send("POST", "/api/auth/login", json={"email": ADMIN, "password": add("wrong", "canary of a wrong one")})
    passage.send(
        "POST", "/api/auth/login", json={"email": add("typed as email", "canary of a pass phrase"), "password": "x"}
    )
    page = {"X-Gateway-Page": "1"}
    login = {"email": ADMIN, "password": passage.password}
    with requests.Session() as session:
        response = session.post(f"{passage.running.admin_url}/api/auth/login", json=login, headers=page, timeout=30)
        cookie = add("cookie", response.cookies["mcp_gateway_token"])
    by_cookie = {**page, "Cookie": f"mcp_gateway_token={cookie}"}
    passage.send("GET", "/api/auth/me", headers=by_cookie)
    passage.send("POST", "/api/auth/refresh", headers=by_cookie)
    passage.send("POST", "/api/auth/refresh", headers=passage.login())
    added = {"email": USER, "password": add("added", "canary of an added user")}
    passage.send("POST", "/api/users/add", json=added, headers=admin)
    changed = {"current_password": added["password"], "new_password": add("changed", "canary of a changed one")}
    passage.send("POST", "/api/auth/password", json=changed, headers=passage.login(**added))
    for path, email in (("invite", "grace@example.com"), ("reset-link", USER)):
        link = passage.send("POST", f"/api/users/{path}", json={"email": email}, headers=admin)["link"]
        accepted = {"token": link.partition("token=")[2], "password": add("accepted", f"canary of {path}, accepted")}
        passage.send("POST", "/api/auth/accept-invite", json=accepted)
        passage.send("POST", "/api/auth/accept-invite", json=accepted)
    forged = add("forged", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.canary-of-a-forged-signature")
    passage.send("GET", "/api/auth/me", headers={"Authorization": f"Bearer {forged}"})
    passage.send("GET", f"/api/auth/me?access_token={forged}", headers=admin)
    passage.send("GET", f"/{forged}", headers=admin)


def through_operations(passage: Passage) -> None:
    """Send the example of every operation of the OpenAPI document with a new token."""
    for operation in OPERATIONS:
        options = {"json": operation.body()} if operation.method == "POST" else {"params": operation.query()}
        passage.send(operation.method, operation.path, headers=passage.login(), **options)


def through_commands(passage: Passage) -> None:
    """Pass keys and passwords through the command line."""
    add = passage.canaries.add
    passage.command("user", "add", "cli@example.com", "--password-stdin", given=add("by CLI", "canary of a command"))
    passage.command("user", "password", "cli@example.com", "--password-stdin", given=add("set", "canary of another"))
    passage.command("user", "reset-link", "cli@example.com", "--json")
    key = json.loads(passage.command("key", "create", "--owner", ADMIN, "--name", "cli", "--json"))
    passage.command("key", "rotate", key["key_id"], "--overlap-seconds", "3600", "--json")
    passage.answers["key show"] = passage.command("key", "show", key["key_id"])
    passage.answers["doctor"] = passage.command("doctor", "--key", key["api_key"])
    passage.answers["config"] = passage.command("config")


def call(tool: str = "query_stock_daily", **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


def through_proxy(passage: Passage) -> None:
    """Pass right and wrong keys through the proxy, where they belong and where they do not."""
    admin = passage.login()
    created = passage.send("POST", "/api/mcp-keys/create", json={"key_name": "canary"}, headers=admin)
    right, unknown = created["api_key"], passage.canaries.add("unknown key", ApiKey.generate().text)
    malformed = passage.canaries.add("malformed key", "sk-" + "canary" * 9)
    ibm = call(symbol="IBM", start="2010-01-04", limit=7)
    for key in (right, unknown, malformed):
        bearer = {"Authorization": f"Bearer {key}"}
        in_body = [call(symbol=key), call(key, table=key), call("query", sql=f"SELECT * FROM prices WHERE k = '{key}'")]
        for headers in (bearer, {"X-API-Key": key}, {"Authorization": f"Basic {key}"}, {**bearer, "Mcp-Name": key}):
            to_proxy(passage, ibm, headers)
        if key != malformed:
            # Errors have the `id` of their request, as JSON-RPC demands.
            to_proxy(passage, {**ibm, "id": key}, {"Authorization": f"Bearer {right}"})
            for body in in_body:
                to_proxy(passage, body, {"Authorization": f"Bearer {right}"})
                to_proxy(passage, body, bearer)
        for path in (f"/mcp?api_key={key}", f"/mcp?x=Bearer%20{key}", f"/mcp/{key}", f"/{key}"):
            to_proxy(passage, ibm, bearer, path)
        session = {"Mcp-Session-Id": key, "Last-Event-ID": key, "User-Agent": key, "Cookie": f"key={key}"}
        to_proxy(passage, ibm, {**bearer, **session})
    passage.send("POST", "/api/mcp-keys/revoke", json={"key_id": created["key_id"]}, headers=admin)
    to_proxy(passage, ibm, {"Authorization": f"Bearer {right}"})


def to_proxy(passage: Passage, body: Any, headers: dict[str, str], path: str = "/mcp") -> None:
    """Send a request to the proxy. The upstream's answers may repeat what the client sent, the gateway's may not."""
    fields = {"Accept": "application/json, text/event-stream", **headers}
    response = requests.post(f"{passage.running.url}{path}", json=body, headers=fields, timeout=30)
    if response.status_code >= 400:
        passage.errors[f"{len(passage.errors)} proxy {response.status_code}"] = f"{response.headers} {response.text}"


def through_spool(passage: Passage) -> dict[str, str | bytes]:
    """Make a call while Redis is away; return the content of the spool."""
    (valkey,) = [pid for pid in processes_under(passage.running.process.pid) if "valkey" in command_line(pid)]
    spool = passage.running.data_dir / "spool"
    to_proxy(passage, call(symbol="IBM"), {"Authorization": f"Bearer {passage.first_key}"})
    os.kill(valkey, signal.SIGSTOP)
    try:
        to_proxy(passage, call(symbol=passage.first_key), {"Authorization": f"Bearer {passage.first_key}"})
        wait_until(lambda: any(content_of_folder(spool).values()), 30)
        return dict(content_of_folder(spool))
    finally:
        os.kill(valkey, signal.SIGCONT)


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def read_answers(passage: Passage) -> None:
    """Read everything that the API and the metrics show."""
    admin = passage.login()
    for operation in OPERATIONS:
        everybody = [one["name"] for one in operation.description.get("parameters", [])]
        if operation.method == "GET":
            query = {**operation.query(), **({"all": "true"} if "all" in everybody else {})}
            query = {name: value for name, value in query.items() if name in ("all", "table", "key_id", "days")}
            passage.send("GET", operation.path, params=query, headers=admin)
    metrics = f"http://127.0.0.1:{passage.running.environment['GATEWAY_METRICS_PORT']}"
    passage.send("GET", "/metrics", url=metrics)


def test_nothing_holds_a_secret_but_the_answers_that_give_it(passage: Passage) -> None:
    assert "status 200" in "\n".join(passage.running.log), "the log has a line for each request at level debug"
    assert len(passage.canaries) > 50
    assert any("/metrics" in name for name in passage.answers)
    assert any("/api/audit" in name for name in passage.answers)
    assert len(passage.errors) > 40
    rows = str(passage.found["ClickHouse"])
    for text in ("query_stock_daily", "mcp_audit_log", "user.add", "audit.parquet", "usage.parquet"):
        assert text in rows
    assert "mcpgw}:key:" in str(passage.found["Redis"])
    assert all(passage.found[place] for place in ("Redis", "ClickHouse", "spool", "data folder", "backup"))
    for found in (passage.running.log, passage.answers, passage.errors, *passage.found.values()):
        assert passage.canaries.found_in(found) == []


def test_no_log_holds_the_password_of_redis_or_clickhouse(tmp_path: Path) -> None:
    canaries = Canaries()
    right, wrong = canaries.add("Redis", "canary-of-redis"), canaries.add("wrong Redis", "canary-of-no-redis")
    clickhouse = canaries.add("ClickHouse", "canary-of-clickhouse")
    port = free_port()
    with running_valkey("everysec") as server, redis.Redis(unix_socket_path=str(server.socket)) as client:
        client.config_set("port", port)
        client.config_set("requirepass", right)
        for number, password in enumerate((right, wrong)):
            environment = {
                "GATEWAY_REDIS_URL": f"redis://:{password}@127.0.0.1:{port}/0",
                "GATEWAY_CLICKHOUSE_URL": f"http://default:{clickhouse}@127.0.0.1:{free_port()}/default",
                "GATEWAY_JWT_SECRET": canaries.add("JWT secret", "canary-of-the-secret-of-access-tokens"),
                "GATEWAY_START_TIMEOUT": "1",
                "GATEWAY_LOG_LEVEL": "debug",
            }
            admin = Running("admin", data_dir=tmp_path / str(number), **environment)  # type: ignore[arg-type]
            assert admin.wait() == 1
            assert admin.log
            assert canaries.found_in([*admin.log, *admin.output]) == []
