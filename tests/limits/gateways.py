"""Two gateways with two workers each, on one Valkey, in front of one upstream."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from gateway.keys.store import KeyStore
from gateway.timestamps import now_ms
from tests.limits.clients import Clients
from tests.limits.upstream import Upstream
from tests.support.admin_client import Key
from tests.support.running_up import Running, processes_under
from tests.support.valkey import Valkey
from tests.support.waiting import until

OWNER = "ann@example.com"
WORKERS = 2


class Gateways:
    """The processes."""

    def __init__(self, running: list[Running], valkey: Valkey, upstream: Upstream) -> None:
        self.running = running
        self.valkey = valkey
        self.upstream = upstream

    @property
    def urls(self) -> list[str]:
        return [f"{each.url}/mcp" for each in self.running]

    def workers(self, number: int) -> list[int]:
        """Return the process ids of the workers of one of the gateways."""
        found = []
        for pid in processes_under(self.running[number].process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if "gateway.runtime.proxy_worker" in Path(f"/proc/{pid}/cmdline").read_text():
                    found.append(pid)
        return found

    async def until_ready(self) -> None:
        """Wait until killed processes run again."""
        async with aiohttp.ClientSession() as session:
            for number, each in enumerate(self.running):
                await until(functools.partial(self._is_ready, session, number, each.url), 30)

    async def _is_ready(self, session: aiohttp.ClientSession, number: int, url: str) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(f"{url}/readyz") as response:
                return response.status == 200 and len(self.workers(number)) == WORKERS
        return False


class LimitedKeys:
    """Makes clients with new keys."""

    def __init__(self, redis: Redis, session: aiohttp.ClientSession, urls: list[str]) -> None:
        self._keys = KeyStore(redis, pepper=None, now_ms=now_ms)
        self._session = session
        self._urls = urls
        self.redis = redis

    async def clients(self, **fields: Any) -> Clients:
        """Create a key with these limits, and return clients with it."""
        record, key = await self._keys.create(**{"owner": OWNER, "key_name": "a key", **fields})
        return Clients(self._session, self._urls, Key(record.key_id, key.text))


@contextlib.contextmanager
def running_gateways(valkey: Valkey, upstream: Upstream, **environment: str) -> Iterator[Gateways]:
    """Run the gateways; they may log and be killed."""
    with ExitStack() as stack:
        running = []
        for number in range(2):
            settings: dict[str, Any] = {
                "GATEWAY_REDIS_URL": valkey.url,
                "GATEWAY_UPSTREAM_URL": upstream.url,
                "GATEWAY_WORKERS": str(WORKERS),
                "GATEWAY_DRAIN_TIMEOUT": "1",
                **environment,
            }
            running.append(Running("proxy", data_dir=valkey.folder / f"gateway-{number}", **settings))
            stack.callback(running[-1].stop)
        for each in running:
            each.until_ready()
        yield Gateways(running, valkey, upstream)
