"""A proxy worker in the event loop of the test, on a real port and a real Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.keys.store import KeyStore
from gateway.proxy.config import ProxyConfig
from gateway.proxy.upstream.pool import UpstreamPool
from gateway.proxy.worker import Worker
from gateway.redis import names as redis_names
from gateway.settings import Settings
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent, unpack
from gateway.usage.metrics_sink import UsageMetricsSink
from tests.support.waiting import until

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test-client", "version": "1.2"},
    },
}


def call(tool: str = "get", id_: Any = 1, **arguments: Any) -> dict[str, Any]:
    """Return a `tools/call` message."""
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


class HttpResponse:
    """An HTTP response with its whole body."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.json["error"])


class RecordingMetrics:
    """A metrics sink that records reasons, failed phases, refusals and open streams."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.phases: list[str] = []
        self.refusals: list[str] = []
        self.open_streams = 0
        self.limit_checks = Counter[tuple[str, str, str]]()

    def key_looked_up(self, outcome: str) -> None:
        pass

    def rule_failed(self) -> None:
        pass

    def write(self) -> None:
        pass

    def streams_opened(self, change: int) -> None:
        self.open_streams += change

    def answered(self, method: str, status: int, reason: str, seconds: float) -> None:
        self.reasons.append(reason)

    def limit_checked(self, limit: str, of: str, outcome: str, count: int) -> None:
        self.limit_checks[limit, of, outcome] += count

    def upstream_failed(self, phase: str) -> None:
        self.phases.append(phase)

    def upstream_refused(self, kind: str) -> None:
        self.refusals.append(kind)


class Gateway:
    """The worker under test, and functions that send requests to it."""

    def __init__(self, worker: Worker, redis: Redis, session: aiohttp.ClientSession, metrics: RecordingMetrics) -> None:
        self.worker = worker
        self.redis = redis
        self.session = session
        self.metrics = metrics
        self.keys = KeyStore(redis, pepper=None, now_ms=now_ms)

    @property
    def port(self) -> int:
        return self.worker.server.port

    @property
    def pool(self) -> UpstreamPool:
        return self.worker.services.forwarding.pool

    @property
    def unwritten_bytes(self) -> int:
        """Bytes of responses that wait in write buffers."""
        return sum(connection.write_buffer_bytes for connection in self.worker.server.connections)

    @property
    def active_requests(self) -> int:
        """Requests in flight of clients with a valid key, without listening streams."""
        return self.worker.services.concurrency.active["request"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def key(self, owner: str = "ann@example.com", **fields: Any) -> str:
        """Create a key and return its text."""
        return (await self.new_key(owner, **fields))[1]

    async def new_key(self, owner: str = "ann@example.com", **fields: Any) -> tuple[KeyRecord, str]:
        """Create a key and return its record and text."""
        record, key = await self.keys.create(owner=owner, key_name="a key", **fields)
        return record, key.text

    async def expired_key(self) -> str:
        """Create a key that has expired, and return its text."""
        past = KeyStore(self.redis, pepper=None, now_ms=lambda: 1)
        return (await past.create(owner="ann@example.com", key_name="old", expires_at=2))[1].text

    async def request(
        self, method: str, path: str = "/mcp", *, key: str | None = None, data: Any = None, **headers: str
    ) -> HttpResponse:
        """Send a request; `data` is sent as JSON unless it is bytes. Underscores in header names become hyphens."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            fields["Authorization"] = f"Bearer {key}"
        if data is not None:
            fields.setdefault("Content-Type", "application/json")
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=body, headers=fields, allow_redirects=False) as response:
            return HttpResponse(response.status, response.headers, await response.read())

    async def post(self, data: Any, key: str | None = None, **headers: str) -> HttpResponse:
        """Send a POST to the endpoint."""
        return await self.request("POST", key=key, data=data, **headers)

    async def raw(self, request: bytes, *, then_close: bool = False) -> bytes:
        """Send bytes on a new connection and return what arrives until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        if then_close:
            writer.write_eof()
        try:
            async with asyncio.timeout(30):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def until_events(self, count: int) -> list[UsageEvent]:
        """Wait until there are so many usage events, and return them."""

        async def enough() -> bool:
            return len(await self.events()) >= count

        await until(enough)
        return await self.events()

    async def events(self) -> list[UsageEvent]:
        """Return the usage events in the stream."""
        entries: Any = await self.redis.xrange(redis_names.USAGE)
        return [event for _, fields in entries if b"e" in fields for event in unpack(fields[b"e"])]


@contextlib.asynccontextmanager
async def running_gateway(
    redis: Redis, redis_url: str, upstream_url: str, folder: Path, **changes: Any
) -> AsyncIterator[Gateway]:
    """Run a worker in front of an upstream; `changes` are settings."""
    settings = Settings(
        upstream_url=upstream_url,
        redis_url=redis_url,
        data_dir=folder,
        **{"drain_timeout": 1, "gateway_id": "test-gateway", **changes},
    )
    config = ProxyConfig(**{**_as_config(settings), "proxy_port": 0})
    metrics = RecordingMetrics()
    worker = Worker(config, metrics, UsageMetricsSink())
    async with worker.running(), aiohttp.ClientSession(auto_decompress=False) as session:
        yield Gateway(worker, redis, session, metrics)


def _as_config(settings: Settings) -> dict[str, Any]:
    from gateway.proxy.config import read_config

    config = read_config(settings.to_json())
    return {name: getattr(config, name) for name in ProxyConfig.__struct_fields__}
