"""A gateway worker: everything that one process of the proxy consists of, put together, run and taken down again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.cache import KeyCache
from gateway.keys.store import KeyStore
from gateway.proxy.accounting.call_meter import CallMeter
from gateway.proxy.accounting.correlation import Correlation
from gateway.proxy.accounting.correlation_store import CorrelationStore
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.accounting.tool_catalog import ToolCatalog
from gateway.proxy.admission.admission import Admission
from gateway.proxy.admission.limits import Limits
from gateway.proxy.admission.sessions import Sessions
from gateway.proxy.clock import SYSTEM_CLOCK
from gateway.proxy.config import ProxyConfig
from gateway.proxy.downstream.server import ProxyServer
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.detached_calls import DetachedCalls
from gateway.proxy.pipeline.forwarding import Forwarding
from gateway.proxy.pipeline.handler import Handler
from gateway.proxy.pipeline.open_streams import OpenStreams
from gateway.proxy.upstream.connection import UpstreamTimeouts
from gateway.proxy.upstream.errors import UpstreamError
from gateway.proxy.upstream.pool import UpstreamAddress, UpstreamPool, request_head
from gateway.redis import client as redis_client
from gateway.timestamps import now_ms
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.spool import Spool
from gateway.usage.producer.stream import UsageStream

log = logging.getLogger(__name__)

_REAP_SECONDS = 5.0
"""Between two looks for sessions that no key has claimed."""
_REAP_AT_ONCE = 100
_WRITE_SECONDS = 0.25
"""Between two writings of metrics."""


class Worker:
    """One process of the proxy."""

    def __init__(self, config: ProxyConfig, observed: ProxyMetricsSink, usage_observer: UsageMetricsSink) -> None:
        self._config = config
        self._observed = observed
        self._usage_observer = usage_observer
        self._is_draining = False
        self._redis = redis_client.connect(config.redis_url)
        store = KeyStore(self._redis, pepper=config.key_pepper, now_ms=now_ms)
        self._keys = KeyCache(
            store, self._redis, now_ms=now_ms, monotonic=time.monotonic, count_lookup=observed.key_looked_up
        )
        self.pool = UpstreamPool(
            UpstreamAddress(config.upstream_url),
            UpstreamTimeouts(
                connect=config.connect_timeout,
                first_byte=config.first_byte_timeout,
                idle=config.idle_timeout,
            ),
        )
        self._sessions = Sessions(
            self._redis,
            now_ms=now_ms,
            monotonic=time.monotonic,
            unclaimed_seconds=config.unclaimed_session_seconds,
            open_per_address=config.open_handshakes_per_address,
        )
        limits = Limits(self._redis, now_ms=now_ms)
        awaited = CorrelationStore(self._redis, now_ms=now_ms)
        self._elsewhere = Correlation(awaited)
        self._tools = ToolCatalog(self._redis, config.upstream_url)
        gatekeeper = Admission(
            keys=self._keys,
            limits=limits,
            sessions=self._sessions,
            awaited=awaited,
            public_methods=config.public_methods,
            now_ms=now_ms,
            hints=self._tools.hints,
        )
        self._streams = OpenStreams(gatekeeper.is_still_good, observed)
        self._usage_redis = redis_client.connect(config.redis_url)
        self._usage = UsageStream(
            self._usage_redis,
            Spool(
                Path(config.data_dir) / "spool",
                limit_bytes=config.usage_spool_max_bytes,
                metrics=usage_observer,
            ),
            stream_bound=config.usage_stream_max_entries,
            metrics=usage_observer,
        )
        self._departed = DetachedCalls(self._redis)
        forwarding = Forwarding(
            self.pool,
            authorization=config.upstream_authorization,
            forward_identity=config.forward_identity,
            streams=self._streams,
            usage=self._usage,
            limits=limits,
            elsewhere=self._elsewhere,
            departed=self._departed,
            observed=observed,
        )
        rules_file = Path(config.metering_rules) if config.metering_rules else None
        self.meter = CallMeter(rules_file, observed.rule_failed, self._tools.hints)
        handler = Handler(
            config,
            gatekeeper=gatekeeper,
            forwarding=forwarding,
            elsewhere=self._elsewhere,
            accounting=AccountingServices(SYSTEM_CLOCK, self.meter, self._tools.observe_tools),
            is_ready=self.is_ready,
            observed=observed,
        )
        self.server = ProxyServer(handler, head_timeout=config.request_head_timeout)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while inside; on leaving, drain: nothing more is accepted, and what is open may finish in time."""
        if self._config.metering_rules:
            await self.meter.reload()
        self.pool.start()
        await self._keys.start()
        await self._usage.start()
        self._streams.start()
        self._tools.start()
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._reap_unclaimed_sessions()), loop.create_task(self._write_metrics())]
        try:
            await self.server.listen(self._config.host, self._config.proxy_port)
            yield
        finally:
            self._is_draining = True
            await asyncio.gather(*map(cancel_and_wait, tasks))
            await self._drain()
            self._observed.write()
            self._usage_observer.write()

    async def is_ready(self) -> bool:
        """Whether Redis answers and the upstream takes a connection."""
        if self._is_draining:
            return False
        try:
            await self._redis.ping()
        except RedisError:
            return False
        return await self.pool.is_reachable()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.drain_timeout
        self.server.stop_accepting()
        self._streams.cut_listening()
        await self.server.shutdown(self._config.drain_timeout)
        await self._streams.close()
        await self._departed.drain(max(0.0, deadline - loop.time()))
        await self._elsewhere.drain()
        await self._usage.close()
        await self._tools.stop()
        await self._keys.stop()
        await self.pool.close()
        await self._redis.aclose()
        await self._usage_redis.aclose()

    async def _write_metrics(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            self._observed.write()
            self._usage_observer.write()

    async def _reap_unclaimed_sessions(self) -> None:
        while True:
            await asyncio.sleep(_REAP_SECONDS)
            try:
                for session_id in await self._sessions.take_expired(_REAP_AT_ONCE):
                    await self._end_session(session_id)
            except RedisError:
                log.warning("unclaimed sessions were not looked for: Redis did not answer")

    async def _end_session(self, session_id: str) -> None:
        upstream = self.pool.address
        headers = [(b"Host", upstream.host), (b"Mcp-Session-Id", session_id.encode("latin-1", "replace"))]
        if self._config.upstream_authorization:
            headers.append((b"Authorization", self._config.upstream_authorization.encode("latin-1")))
        try:
            answer = await self.pool.send_request(request_head(b"DELETE", upstream.request_target(), headers), None)
            try:
                await answer.wait_for_head()
            finally:
                self.pool.release(answer)
        except UpstreamError as failure:
            log.warning("an unclaimed session was not ended upstream: %s", failure)
