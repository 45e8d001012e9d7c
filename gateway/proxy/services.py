"""The services that handle requests: made once per worker, shared by the general path and the fast path."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.metering import tables_in_arguments
from gateway.proxy.accounting.call_meter import CallMeter
from gateway.proxy.accounting.correlation import Correlation
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.admission.admission import Admission
from gateway.proxy.admission.admitted_request import AdmittedRequest, Caller
from gateway.proxy.admission.concurrency import ConcurrencyLimiter
from gateway.proxy.admission.credentials.authentication import Authenticator
from gateway.proxy.admission.credentials.wrong_keys import WrongKeys
from gateway.proxy.admission.policy import Policy
from gateway.proxy.clock import Clock
from gateway.proxy.config import ProxyConfig
from gateway.proxy.denials.sending import Denials
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.detached_calls import DetachedCalls
from gateway.proxy.pipeline.open_streams import OpenStreams
from gateway.proxy.pipeline.response_delivery import ResponseDelivery
from gateway.proxy.pipeline.sending import UpstreamSender
from gateway.proxy.pipeline.session_registration import SessionRegistration
from gateway.proxy.pipeline.streams.opening import ResponseStreams
from gateway.proxy.pipeline.upstream_request import UpstreamRequestBuilder
from gateway.proxy.pipeline.usage_recorder import UsageRecorder
from gateway.proxy.stores import Stores
from gateway.proxy.upstream.config import UpstreamAddress, UpstreamTimeouts
from gateway.proxy.upstream.pool import UpstreamPool
from gateway.proxy.upstream.response_check import ResponseCheck
from gateway.usage.producer.stream import UsageStream
from gateway.uuid7 import new_uuid7


class ForwardingServices(msgspec.Struct, frozen=True, kw_only=True):
    """The services that forward an admitted request and its response: the connection pool, the stages of the pipeline,
    and the open streams and detached calls of the worker.
    """

    pool: UpstreamPool
    requests: UpstreamRequestBuilder
    sender: UpstreamSender
    delivery: ResponseDelivery
    open_streams: OpenStreams
    detached_calls: DetachedCalls
    correlation: Correlation
    registration: SessionRegistration


class ProxyServices(msgspec.Struct, frozen=True, kw_only=True):
    """All services of one worker, with its settings and metrics: admission, accounting and forwarding."""

    config: ProxyConfig
    metrics: ProxyMetricsSink
    authenticator: Authenticator
    wrong_keys: WrongKeys
    admission: Admission
    concurrency: ConcurrencyLimiter
    denials: Denials
    usage: UsageStream
    meter: CallMeter
    accounting: AccountingServices
    forwarding: ForwardingServices

    def make_exchange(
        self, request: AdmittedRequest, caller: Caller, *, is_listening: bool = False, started: float | None = None
    ) -> Exchange:
        """Make the exchange of a request, with all of its requests pending.

        `started` is the monotonic time at which the request was received; by default, now.
        """
        return Exchange(
            request.messages,
            caller,
            request.principal.record if request.principal is not None else None,
            self.accounting,
            is_listening=is_listening,
            started=started,
        )


def make_services(config: ProxyConfig, clock: Clock, metrics: ProxyMetricsSink, stores: Stores) -> ProxyServices:
    """Make the services of one worker."""
    hints = stores.tools.hints
    policy = Policy(
        public_methods=frozenset(config.public_methods),
        ignores_bad_keys=config.bad_key_on_public == "ignore",
        tables_in_arguments=lambda tool, arguments: tables_in_arguments(tool, arguments, hints(tool)),
        read_only_hint=stores.tools.read_only_hint,
    )
    authenticator = Authenticator(stores.keys, now_ms=clock.now_ms)
    rules_file = Path(config.metering_rules) if config.metering_rules else None
    meter = CallMeter(rules_file, metrics.rule_failed, hints)
    return ProxyServices(
        config=config,
        metrics=metrics,
        authenticator=authenticator,
        wrong_keys=stores.wrong_keys,
        admission=Admission(
            policy,
            stores.tools.refresh,
            keys=stores.keys,
            limiter=stores.limiter,
            sessions=stores.sessions,
            task_owners=stores.correlation,
        ),
        concurrency=ConcurrencyLimiter(config.max_concurrent_requests),
        denials=stores.denials,
        usage=stores.usage,
        meter=meter,
        accounting=AccountingServices(clock, new_uuid7, meter, stores.tools),
        forwarding=_make_forwarding(config, metrics, stores, authenticator),
    )


def _make_forwarding(
    config: ProxyConfig, metrics: ProxyMetricsSink, stores: Stores, authenticator: Authenticator
) -> ForwardingServices:
    address = UpstreamAddress(config.upstream_url)
    pool = UpstreamPool(
        address,
        UpstreamTimeouts(
            connect=config.connect_timeout,
            first_byte=config.first_byte_timeout,
            idle=config.idle_timeout,
        ),
        ResponseCheck(
            address,
            metrics.upstream_refused,
            pass_challenges=config.upstream_challenge == "pass",
            on_refused=stores.upstream_watch.refused,
        ),
    )
    correlation = Correlation(stores.correlation, stores.limiter, stores.keys.get)
    streams = ResponseStreams(UsageRecorder(stores.usage, stores.limiter).record, correlation)
    open_streams = OpenStreams(authenticator.is_still_valid, metrics)
    detached_calls = DetachedCalls(stores.redis, streams, pool, metrics)
    sender = UpstreamSender(pool, correlation, detached_calls, metrics)
    return ForwardingServices(
        pool=pool,
        requests=UpstreamRequestBuilder(
            pool.address, authorization=config.upstream_authorization, forward_identity=config.forward_identity
        ),
        sender=sender,
        delivery=ResponseDelivery(
            streams,
            open_streams,
            sender=sender,
            detached_calls=detached_calls,
            metrics=metrics,
            ping_seconds=config.sse_ping_seconds,
        ),
        open_streams=open_streams,
        detached_calls=detached_calls,
        correlation=correlation,
        registration=SessionRegistration(stores.sessions, pool, config.public_url),
    )
