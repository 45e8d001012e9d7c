"""The stores of a worker: its state in Redis, with the caches of it in the worker."""

from __future__ import annotations

from pathlib import Path

import msgspec
from redis.asyncio import Redis

from gateway.alerts.upstream_reports import UpstreamReports
from gateway.keys.cache import KeyCache
from gateway.keys.store import KeyStore
from gateway.proxy.accounting.correlation_store import CorrelationStore
from gateway.proxy.admission.credentials.wrong_keys import WrongKeys
from gateway.proxy.admission.limits.limiter import Limiter
from gateway.proxy.admission.sessions import Sessions
from gateway.proxy.clock import Clock
from gateway.proxy.config import ProxyConfig
from gateway.proxy.denials.counts import DenialCounts
from gateway.proxy.denials.sending import Denials
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.tools.catalog import ToolCatalog
from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream_watch import UpstreamWatch
from gateway.redis import client as redis_client
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.spool import Spool
from gateway.usage.producer.stream import UsageStream


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """The stores of one worker."""

    redis: Redis
    usage_redis: Redis
    """A separate client, so that usage events do not wait behind other commands."""
    keys: KeyCache
    wrong_keys: WrongKeys
    limiter: Limiter
    sessions: Sessions
    correlation: CorrelationStore
    tools: ToolCatalog
    denials: Denials
    usage: UsageStream
    upstream_watch: UpstreamWatch

    async def start(self) -> None:
        """Begin to follow changes in Redis, and to send usage events. Redis may be down."""
        await self.keys.start()
        await self.usage.start()
        self.limiter.start()
        self.denials.start()
        await self.tools.start()

    async def close(self) -> None:
        """Write what is pending, and disconnect."""
        await self.usage.close()
        await self.denials.close()
        await self.limiter.close()
        await self.tools.stop()
        await self.keys.stop()
        await self.upstream_watch.close()
        await self.redis.aclose()
        await self.usage_redis.aclose()


def make_stores(
    config: ProxyConfig, clock: Clock, metrics: ProxyMetricsSink, usage_metrics: UsageMetricsSink
) -> Stores:
    """Make the stores of one worker; nothing is connected yet."""
    redis = redis_client.connect(config.redis_url)
    usage_redis = redis_client.connect(config.redis_url)
    now_ms = clock.now_ms
    tools = ToolCatalog(redis, config.upstream_url, now_ms=now_ms)
    denials = DenialCounts(lambda tool: tools.read_only_hint(tool) is not None)
    spool = Spool(Path(config.data_dir) / "spool", limit_bytes=config.usage_spool_max_bytes, metrics=usage_metrics)
    return Stores(
        redis=redis,
        usage_redis=usage_redis,
        keys=KeyCache(
            KeyStore(redis, pepper=config.key_pepper, now_ms=now_ms),
            redis,
            now_ms=now_ms,
            monotonic=clock.monotonic,
            count_lookup=metrics.key_looked_up,
        ),
        wrong_keys=WrongKeys(redis, clock),
        limiter=Limiter(redis, clock, metrics, allows_unchecked=config.limits_when_redis_away == "allow"),
        sessions=Sessions(
            redis,
            now_ms=now_ms,
            monotonic=clock.monotonic,
            unclaimed_seconds=config.unclaimed_session_seconds,
            open_per_address=config.open_handshakes_per_address,
        ),
        correlation=CorrelationStore(redis, now_ms=now_ms),
        tools=tools,
        denials=Denials(redis, clock, denials, config.gateway_id),
        usage=UsageStream(usage_redis, spool, stream_bound=config.usage_stream_max_entries, metrics=usage_metrics),
        upstream_watch=UpstreamWatch(
            UpstreamReports(redis, now_ms=now_ms),
            clock,
            gateway=config.gateway_id,
            upstream=UpstreamAddress(config.upstream_url),
        ),
    )
