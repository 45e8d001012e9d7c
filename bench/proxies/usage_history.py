"""The usage history of a gateway, compared with the calls that were sent with all its keys."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from bench.proxies.processes import BenchError
from bench.proxies.proxy import Usage
from gateway.redis import client as redis_client
from gateway.usage.consumer import read_your_writes

_STORE_TIMEOUT = 120.0
_FLUSH_INTERVAL = 0.1


class AdminClient:
    """Requests to the admin API."""

    def __init__(self, port: int, login: Mapping[str, str]) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._headers = {"Content-Type": "application/json"}
        token = self.post("/api/auth/login", login)["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        """Return the JSON of a GET."""
        return self._request(path, None)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """Return the JSON of a POST."""
        return self._request(path, json.dumps(body).encode())

    def _request(self, path: str, body: bytes | None) -> Any:
        with urllib.request.urlopen(urllib.request.Request(self._url + path, body, self._headers)) as response:
            return json.load(response)


class UsageHistory(Usage):
    """Counts the calls that were sent to a gateway, and compares them with its usage history."""

    def __init__(self, admin: AdminClient, metrics_port: int, redis_url: str) -> None:
        self._admin = admin
        self._metrics_port = metrics_port
        self._redis_url = redis_url
        self._calls = 0
        self._records = 0

    def add(self, calls: int, records: int) -> None:
        self._calls += calls
        self._records += records

    def wait_until_stored(self) -> None:
        """Wait until the usage writer has inserted the events; ask it to, as it would wait to fill a batch."""
        deadline = time.monotonic() + _STORE_TIMEOUT
        while self._inserted() < self._calls:
            if time.monotonic() > deadline:
                raise BenchError(f"{self._inserted()} of {self._calls} usage events were inserted")
            asyncio.run(_request_flush(self._redis_url))
            time.sleep(_FLUSH_INTERVAL)

    def verify(self) -> None:
        total = self._admin.get("/api/mcp-usage/history?page=1&page_size=1")["total"]
        totals = self._admin.get("/api/mcp-usage/stats?days=2")["totals"]
        if (total, totals["records"]) != (self._calls, self._records):
            raise BenchError(
                f"the usage history has {total} calls and {totals['records']} records;"
                f" there were {self._calls} and {self._records}"
            )

    def _inserted(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as response:
            counts = re.findall(
                rb'^mcp_gateway_usage_events_total{step="inserted"} (\S+)', response.read(), re.MULTILINE
            )
        return int(float(counts[0])) if counts else 0


async def _request_flush(redis_url: str) -> None:
    redis = redis_client.connect(redis_url)
    try:
        await read_your_writes.request_flush(redis)
    finally:
        await redis.aclose()
