"""Prometheus metrics of all processes, served by the supervisor.

- No label value comes from a client: tools, tables, keys and owners are in the usage data instead. Label values outside
  the fixed sets are counted as `other`.
- Workers and the admin process write to files in `PROMETHEUS_MULTIPROC_DIR`, which must be set before this module is
  imported; the supervisor adds them up.
- Counts that change with every request are kept in memory, and `write` adds them to the files: a write to a file costs
  more than counting.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway.usage.metrics_sink import UsageMetricsSink

OTHER: Final = "other"
MAX_LABEL_VALUES: Final = 64
"""Distinct values of a label without a fixed set; further values are counted as `other`."""

_HTTP_METHODS = frozenset({"POST", "GET", "DELETE", "HEAD", "OPTIONS"})
_LABEL_VALUE = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

_requests = Counter(
    "mcp_gateway_requests",
    "Requests by HTTP method, status and reason: forwarded, or why the gateway responded itself.",
    ("method", "status", "reason"),
)
_durations = Histogram(
    "mcp_gateway_request_duration_seconds",
    "Time from the arrival of a request to the end of its response.",
    ("method",),
    buckets=_DURATIONS,
)
_upstream_errors = Counter("mcp_gateway_upstream_errors", "Upstream errors by phase.", ("phase",))
_upstream_refusals = Counter(
    "mcp_gateway_upstream_refusals",
    "Responses with which the upstream refused the gateway itself: redirect, 401, 403 or 407.",
    ("kind",),
)
_rule_faults = Counter("mcp_gateway_metering_rule_faults", "Calls for which the metering rule of the operator failed.")
_open_streams = Gauge("mcp_gateway_open_streams", "Open event streams to clients.", multiprocess_mode="livesum")
_key_lookups = Counter(
    "mcp_gateway_key_lookups",
    "API key lookups: answered by the cache (hit), by Redis (miss), or failed (error).",
    ("outcome",),
)
_limit_checks = Counter(
    "mcp_gateway_limit_checks",
    "Requests that were admitted or refused by a limit, by field and by whose limit it is.",
    ("limit", "of", "outcome"),
)
_events = Counter(
    "mcp_gateway_usage_events",
    "Usage events by step: appended, spooled, unspooled, resent, refused, inserted or dead_lettered.",
    ("step",),
)
_insert_durations = Histogram(
    "mcp_gateway_usage_insert_duration_seconds", "Time to insert one batch into ClickHouse.", buckets=_DURATIONS
)
_spool_bytes = Gauge(
    "mcp_gateway_usage_spool_bytes",
    "Size of the usage events that are spooled on disk until Redis accepts them.",
    multiprocess_mode="livesum",
)
_spool_torn_bytes = Counter(
    "mcp_gateway_usage_spool_torn_bytes",
    "Size of incomplete records at the end of spool files; their events were never acknowledged.",
)
_spool_damaged_bytes = Counter(
    "mcp_gateway_usage_spool_damaged_bytes", "Size of unreadable parts of spool files, which are kept on disk."
)
_stream_entries = Gauge(
    "mcp_gateway_usage_stream_entries",
    "Entries in the usage stream in Redis.",
    multiprocess_mode="mostrecent",
)
_stream_bound = Gauge(
    "mcp_gateway_usage_stream_bound",
    "Alarm threshold for the length of the usage stream.",
    multiprocess_mode="mostrecent",
)
_waiting_seconds = Gauge(
    "mcp_gateway_usage_waiting_seconds", "Age of the oldest entry in the usage stream.", multiprocess_mode="mostrecent"
)
_unbalanced_events = Gauge(
    "mcp_gateway_usage_unbalanced_events",
    "Difference between accepted and stored usage events, from reconciliation.",
    multiprocess_mode="mostrecent",
)
_clickhouse_up = Gauge(
    "mcp_gateway_clickhouse_up",
    "1 if ClickHouse was reachable at the last insert, else 0.",
    multiprocess_mode="mostrecent",
)


class _BoundedLabel:
    """Maps texts to label values and bounds their number."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, text: str) -> str:
        if text in self._known:
            return text
        if len(self._known) >= MAX_LABEL_VALUES or not _LABEL_VALUE.match(text):
            return OTHER
        self._known.add(text)
        return text


_key_lookup_counters = {outcome: _key_lookups.labels(outcome) for outcome in ("hit", "miss", "error")}
_reason = _BoundedLabel()
_phase = _BoundedLabel()


class _ResponseCounts:
    """Responses with the same labels, since the last write."""

    def __init__(self, method: str, status: str, reason: str) -> None:
        self._count = _requests.labels(method, status, reason)
        self._duration = _durations.labels(method)
        self._buckets = [0] * (len(_DURATIONS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[bisect_left(_DURATIONS, seconds)] += 1
        self._seconds += seconds

    def write(self) -> None:
        count = sum(self._buckets)
        if not count:
            return
        self._count.inc(count)
        # `Histogram` has no public method to add many observations in one step.
        self._duration._sum.inc(self._seconds)
        for value, added in zip(self._duration._buckets, self._buckets, strict=True):
            if added:
                value.inc(added)
        self._buckets = [0] * len(self._buckets)
        self._seconds = 0.0


class ProxyMetrics:
    """Metrics of a proxy worker; implements `gateway.proxy.metrics_sink.ProxyMetricsSink`."""

    def __init__(self) -> None:
        self._responses: dict[tuple[str, int, str], _ResponseCounts] = {}
        self._key_lookups = dict.fromkeys(_key_lookup_counters, 0)
        self._streams = 0

    def answered(self, method: str, status: int, reason: str, seconds: float) -> None:
        """Count a response; `reason` is `forwarded`, or why the gateway responded itself."""
        counts = self._responses.get((method, status, reason))
        if counts is None:
            known = method if method in _HTTP_METHODS else OTHER
            labels = known, status if 100 <= status <= 599 else 0, _reason(reason)
            counts = self._responses.get(labels)
            if counts is None:
                counts = self._responses[labels] = _ResponseCounts(known, str(labels[1] or OTHER), labels[2])
        counts.add(seconds)

    def key_looked_up(self, outcome: Literal["hit", "miss", "error"]) -> None:
        """Count a lookup of an API key: answered by the cache, by Redis, or failed."""
        self._key_lookups[outcome] += 1

    def write(self) -> None:
        """Add the counts since the last write to the files."""
        for counts in self._responses.values():
            counts.write()
        if self._streams:
            _open_streams.inc(self._streams)
            self._streams = 0
        for outcome, count in self._key_lookups.items():
            if count:
                _key_lookup_counters[outcome].inc(count)
                self._key_lookups[outcome] = 0

    def limit_checked(self, limit: str, of: str, outcome: Literal["admitted", "refused"], count: int) -> None:
        """Count requests that a limit of a key or an owner has admitted or refused."""
        _limit_checks.labels(limit, of, outcome).inc(count)

    def upstream_failed(self, phase: str) -> None:
        """Count an upstream error in this phase."""
        _upstream_errors.labels(_phase(phase)).inc()

    def upstream_refused(self, kind: str) -> None:
        """Count a response with which the upstream refused the gateway itself."""
        _upstream_refusals.labels(kind).inc()

    def rule_failed(self) -> None:
        """Count a call for which the metering rule failed."""
        _rule_faults.inc()

    def streams_opened(self, change: int) -> None:
        """Add to the number of open event streams; negative if streams were closed."""
        self._streams += change


class UsageMetrics(UsageMetricsSink):
    """Metrics of the usage pipeline, in workers and in the admin process."""

    def __init__(self) -> None:
        self._appended = 0
        self._length: tuple[int, int] | None = None

    def write(self) -> None:
        if self._appended:
            _events.labels("appended").inc(self._appended)
            self._appended = 0
        if self._length is not None:
            _stream_entries.set(self._length[0])
            _stream_bound.set(self._length[1])
            self._length = None

    def appended(self, events: int) -> None:
        self._appended += events

    def stream_length(self, entries: int, bound: int) -> None:
        self._length = entries, bound

    def spooled(self, events: int) -> None:
        _events.labels("spooled").inc(events)

    def spool_failed(self, events: int) -> None:
        _events.labels("unspooled").inc(events)

    def spool_size(self, size: int) -> None:
        _spool_bytes.set(size)

    def resent(self, events: int) -> None:
        _events.labels("resent").inc(events)

    def spool_torn(self, size: int) -> None:
        _spool_torn_bytes.inc(size)

    def spool_damaged(self, size: int) -> None:
        _spool_damaged_bytes.inc(size)

    def refused(self, events: int) -> None:
        _events.labels("refused").inc(events)

    def inserted(self, events: int, seconds: float) -> None:
        _events.labels("inserted").inc(events)
        _insert_durations.observe(seconds)

    def dead_lettered(self, events: int) -> None:
        _events.labels("dead_lettered").inc(events)

    def unbalanced(self, events: int) -> None:
        _unbalanced_events.set(abs(events))

    def clickhouse_connected(self, connected: bool) -> None:
        _clickhouse_up.set(1 if connected else 0)

    def waiting(self, entries: int, oldest_ms: int) -> None:
        _stream_entries.set(entries)
        _waiting_seconds.set(oldest_ms / 1000)


def forget_process(pid: int, directory: Path) -> None:
    """Drop the live gauges of an exited process (its open streams); its counters stay."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def serve_metrics(host: str, port: int, directory: Path) -> Callable[[], None]:
    """Serve the sum of the metrics of all processes from a thread, until the returned function is called.

    Raises `OSError` if the port cannot be bound.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    server, thread = start_http_server(port, host, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
