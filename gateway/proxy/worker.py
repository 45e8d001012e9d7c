"""A gateway worker: one process of the proxy, from start to drain."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.proxy.clock import SYSTEM_CLOCK
from gateway.proxy.config import ProxyConfig
from gateway.proxy.downstream.server import ProxyServer
from gateway.proxy.fast_path.fast_path import FastPath
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.handler import Handler
from gateway.proxy.pipeline.session_reaper import SessionReaper
from gateway.proxy.readiness import DRAINING, Readiness, readiness
from gateway.proxy.services import make_services
from gateway.proxy.stores import make_stores
from gateway.tls.server import server_tls
from gateway.usage.metrics_sink import UsageMetricsSink

REAP_SECONDS = 5.0
"""Interval at which expired unclaimed sessions are ended."""
METRICS_SECONDS = 0.25
"""Interval at which metrics are published."""


class Worker:
    """One process of the proxy."""

    def __init__(self, config: ProxyConfig, metrics: ProxyMetricsSink, usage_metrics: UsageMetricsSink) -> None:
        """Make the services. Raises `PairError` if the TLS certificate cannot be used."""
        self._config = config
        self._metrics = metrics
        self._usage_metrics = usage_metrics
        self._is_draining = False
        self._tls = server_tls(config.tls_cert, config.tls_key)
        self.stores = make_stores(config, SYSTEM_CLOCK, metrics, usage_metrics)
        self.services = make_services(config, SYSTEM_CLOCK, metrics, self.stores)
        self.server = ProxyServer(
            Handler(self.services, self.readiness),
            FastPath(self.services) if config.fast_path else None,
            head_timeout=config.request_head_timeout,
            keepalive_timeout=config.keepalive_timeout,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve within this context. On exit, drain: accept nothing more, and let requests in flight finish in time."""
        if self._config.metering_rules:
            await self.services.meter.reload()
        forwarding = self.services.forwarding
        forwarding.pool.start()
        await self.stores.start()
        forwarding.open_streams.start()
        loop = asyncio.get_running_loop()
        reaper = SessionReaper(self.stores.sessions, forwarding.requests, forwarding.pool)
        tasks = [loop.create_task(reaper.run(REAP_SECONDS)), loop.create_task(self._publish_metrics())]
        is_reachable = partial(forwarding.pool.is_reachable, with_tls=True)
        tasks.append(loop.create_task(self.stores.upstream_watch.run(is_reachable)))
        if self._tls is not None:
            tasks.append(loop.create_task(self._tls.watch()))
        try:
            await self.server.listen(self._config.host, self._config.proxy_port, self._tls)
            yield
        finally:
            self._is_draining = True
            await asyncio.gather(*map(cancel_and_wait, tasks))
            await self._drain()
            self._metrics.write()
            self._usage_metrics.write()

    async def readiness(self) -> Readiness:
        """Return whether the worker accepts requests: Redis answers, and the upstream accepts connections."""
        if self._is_draining:
            return DRAINING
        redis, upstream = await asyncio.gather(self._has_redis(), self.services.forwarding.pool.is_reachable())
        return readiness(redis=redis, upstream=upstream)

    async def _has_redis(self) -> bool:
        try:
            await self.stores.redis.ping()
        except RedisError:
            return False
        return True

    async def _drain(self) -> None:
        forwarding = self.services.forwarding
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.drain_timeout
        self.server.stop_accepting()
        forwarding.open_streams.cancel_listening()
        await self.server.shutdown(self._config.drain_timeout)
        await forwarding.open_streams.close()
        await forwarding.detached_calls.close(max(0.0, deadline - loop.time()))
        await forwarding.correlation.wait_for_tasks()
        await forwarding.pool.close()
        await self.stores.close()

    async def _publish_metrics(self) -> None:
        while True:
            await asyncio.sleep(METRICS_SECONDS)
            self._metrics.write()
            self._usage_metrics.write()
