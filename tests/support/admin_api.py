"""A client of the admin API under test, and builders for its data."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import jwt
import redis.asyncio
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDictProxy

from admin_api.app import make_app
from admin_api.dependencies import Dependencies
from admin_api.http.connection import Runner
from gateway.accounts.creation_limits import CreationLimits
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.passwords import Passwords
from gateway.accounts.sessions import Sessions
from gateway.accounts.tokens import AccessTokens
from gateway.accounts.users import UserStore
from gateway.alerts.queue import AlertQueue
from gateway.audit.audit_log import AuditLog
from gateway.keys.store import KeyStore
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from gateway.usage.store.names import AUDIT_TABLE, BY_DIMENSION_TABLE, DENIALS_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.table import UsageTable
from tests.support.audit import RecordedAct, recorded_acts
from tests.usage.support import event as usage_event

ADMIN = "root@example.com"
USER = "ada@example.com"
PASSWORD = "correct horse battery"
SECRET = "s" * 48

_numbers = itertools.count()


class Served(TestServer):
    """The app behind the connection handling of production."""

    async def _make_runner(self, **_: Any) -> Runner:
        return Runner(self.app)


class Response(NamedTuple):
    """An HTTP response with its decoded body."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def fields(self) -> set[str]:
        """The names of the invalid fields in a problem."""
        return {error["field"] for error in self.body.get("errors", [])}


def assert_problem(response: Response, status: int) -> None:
    """Check that a response is a problem (RFC 9457) with this status."""
    assert response.status == status
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert (response.body["status"], response.body["type"]) == (status, "about:blank")
    assert response.body["title"]
    assert response.body["detail"]


class Api:
    """A client of the app, with or without a token, and headers of all its requests."""

    def __init__(
        self,
        client: TestClient[Any, Any],
        deps: Dependencies,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.client = client
        self.deps = deps
        self.token = token
        self.headers = dict(headers or {})

    def with_token(self, token: str | None) -> Api:
        return Api(self.client, self.deps, token, self.headers)

    def with_headers(self, **headers: str) -> Api:
        """Return a client that also sends these headers; `_` in their names stands for `-`."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return Api(self.client, self.deps, self.token, {**self.headers, **more})

    def from_address(self, address: str) -> Api:
        """Return a client at another address, behind the trusted proxy that the tests connect as."""
        return self.with_headers(X_Forwarded_For=address)

    async def logged_in(self, email: str, password: str = PASSWORD) -> Api:
        response = await self.post("/api/auth/login", {"email": email, "password": password})
        assert response.status == 200, response
        return self.with_token(response.body["access_token"])

    async def get(self, path: str, **query: Any) -> Response:
        return await self.request("GET", path, params=query)

    async def post(self, path: str, body: Any) -> Response:
        return await self.request("POST", path, json=body)

    async def request(self, method: str, path: str, **options: Any) -> Response:
        headers = {**self.headers, **options.pop("headers", {})}
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        async with self.client.request(method, path, headers=headers, **options) as received:
            is_json = received.content_type in ("application/json", "application/problem+json")
            body = await (received.json(content_type=None) if is_json else received.text())
            return Response(received.status, body, received.headers)

    async def create_key(self, key_name: str = "laptop", **more: Any) -> dict[str, Any]:
        response = await self.post("/api/mcp-keys/create", {"key_name": key_name, **more})
        assert response.status == 201, response
        body: dict[str, Any] = response.body
        return body

    async def audited_changes(self) -> list[RecordedAct]:
        """Return the entries of the audit log, newest first, but for logins and denied acts."""
        return [
            act
            for act in await recorded_acts(self.deps.redis)
            if not act.act.startswith("auth.") and act.result == "ok"
        ]

    async def keys(self, **query: Any) -> list[dict[str, Any]]:
        response = await self.get("/api/mcp-keys/list", **query)
        assert response.status == 200, response
        keys: list[dict[str, Any]] = response.body["keys"]
        return keys


@contextlib.asynccontextmanager
async def serving(deps: Dependencies) -> AsyncIterator[Api]:
    """Serve the app with these dependencies."""
    # Tests send cookies themselves.
    async with TestClient(Served(make_app(deps)), cookie_jar=DummyCookieJar()) as client:
        yield Api(client, deps)


def dependencies(
    redis: redis.asyncio.Redis, usage: UsageTable, now_ms: Callable[[], int], passwords: Passwords
) -> Dependencies:
    """Return the dependencies of the app on these engines."""
    return Dependencies(
        redis=redis,
        users=UserStore(redis, now_ms=now_ms, passwords=passwords),
        keys=KeyStore(redis, pepper=None, now_ms=now_ms),
        usage=usage,
        tokens=AccessTokens(SECRET, now_ms=now_ms),
        sessions=Sessions(redis, now_ms=now_ms),
        login_limits=LoginLimits(redis, now_ms=now_ms),
        creation_limits=CreationLimits(redis, now_ms=now_ms),
        audit=AuditLog(redis, now_ms=now_ms),
        alerts=AlertQueue(redis, now_ms=now_ms),
        now_ms=now_ms,
        version="0.0.0-test",
        trusted_proxies=(ipaddress.ip_network("127.0.0.1"),),
    )


async def add_users(deps: Dependencies) -> None:
    """Add an admin and a user."""
    await deps.users.add(ADMIN, PASSWORD, "admin")
    await deps.users.add(USER, PASSWORD)


async def empty(table: UsageTable) -> None:
    """Delete all rows of all tables."""
    for name in (LOG_TABLE, QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE, AUDIT_TABLE, DENIALS_TABLE):
        await table.query_async(f"TRUNCATE TABLE {name}")


def forged(payload: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """Sign a token with any claims, secret and algorithm."""
    return jwt.encode(payload, secret, algorithm=algorithm)


def event(**values: Any) -> UsageEvent:
    """Build a recent call by `USER` with a unique event id."""
    recent = now_ms() - 1000 + next(_numbers) % 1000
    return usage_event(**{"created_at": recent, "key_name": "laptop", "owner": USER, **values})
