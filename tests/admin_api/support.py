"""What the tests of the admin API share."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jwt
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDictProxy

from admin_api.dependencies import Dependencies
from admin_api.http.connection import Runner
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent

ADMIN = "root@example.com"
USER = "ada@example.com"
PASSWORD = "correct horse battery"
SECRET = "s" * 48

_numbers = itertools.count()


class Served(TestServer):
    """The app on the connections that it really has."""

    async def _make_runner(self, **_: Any) -> Runner:
        return Runner(self.app)


class Clock:
    """Wall time that begins at the present and can be moved."""

    def __init__(self) -> None:
        self._moved_ms = 0

    def advance(self, seconds: float) -> None:
        self._moved_ms += int(seconds * 1000)

    def now_ms(self) -> int:
        return now_ms() + self._moved_ms


class Answer(NamedTuple):
    """An HTTP answer, read."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def fields(self) -> set[str]:
        """The fields that a problem names."""
        return {error["field"] for error in self.body.get("errors", [])}


class Api:
    """The app as a client sees it, with or without a token."""

    def __init__(self, client: TestClient[Any, Any], deps: Dependencies, token: str | None = None) -> None:
        self.client = client
        self.deps = deps
        self.token = token

    def with_token(self, token: str | None) -> Api:
        return Api(self.client, self.deps, token)

    async def logged_in(self, email: str, password: str = PASSWORD) -> Api:
        answer = await self.post("/api/auth/login", {"email": email, "password": password})
        assert answer.status == 200, answer
        return self.with_token(answer.body["access_token"])

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.request("GET", path, params=query)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.request("POST", path, json=body)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        async with self.client.request(method, path, headers=headers, **options) as response:
            is_json = "json" in response.content_type
            body = await (response.json(content_type=None) if is_json else response.text())
            return Answer(response.status, body, response.headers)

    async def create_key(self, key_name: str = "laptop", **more: Any) -> dict[str, Any]:
        answer = await self.post("/api/mcp-keys/create", {"key_name": key_name, **more})
        assert answer.status == 201, answer
        body: dict[str, Any] = answer.body
        return body

    async def keys(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.get("/api/mcp-keys/list", **query)
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.body["keys"]
        return found


def forged(payload: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A token that somebody else might have made."""
    return jwt.encode(payload, secret, algorithm=algorithm)


def event(**values: Any) -> UsageEvent:
    """A call by `USER`, some moments ago; each gets an id of its own."""
    number = next(_numbers)
    return UsageEvent(
        **{
            "event_id": f"{number:032x}",
            "created_at": now_ms() - 1000 + number % 1000,
            "key_id": "key_1",
            "key_name": "laptop",
            "owner": USER,
            "tool_name": "query_stock_daily",
            "table_names": ("stock_daily",),
            "record_count": 20,
            "count_method": "structured",
            "is_error": False,
            "status": "ok",
            "duration_ms": 12.5,
            "response_bytes": 1234,
            "client_name": "curl",
            "client_version": "8",
            "session_id": "s1",
            "request_id": "1",
            "protocol_version": "2025-06-18",
            "client_ip": "127.0.0.1",
            "gateway_id": "g1",
            "arguments_hash": "0123456789abcdef",
            **values,
        }
    )
