"""Prometheus metrics of all processes, served by the supervisor.

- No label takes a value from a client: tools, tables, keys and owners are what usage is for. What comes from
  outside the fixed sets is counted as `other`.
- Workers and the admin process write to files in `PROMETHEUS_MULTIPROC_DIR`, which must be set before this
  module is imported; the supervisor sums them up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from gateway.usage.observer import UsageObserver

OTHER: Final = "other"
MAX_WORDS: Final = 64
"""Different values that a label of words takes; further ones count as `other`."""

_HTTP_METHODS = frozenset({"POST", "GET", "DELETE", "HEAD", "OPTIONS"})
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

_requests = Counter(
    "mcp_gateway_requests",
    "Requests by HTTP method, status and what became of them: forwarded, or why not.",
    ("method", "status", "reason"),
)
_durations = Histogram(
    "mcp_gateway_request_duration_seconds",
    "From a request's arrival to the end of its answer.",
    ("method",),
    buckets=_DURATIONS,
)
_upstream_errors = Counter("mcp_gateway_upstream_errors", "Failures of the upstream by phase.", ("phase",))
_rule_faults = Counter("mcp_gateway_metering_rule_faults", "Calls on which the operator's metering rule failed.")
_open_streams = Gauge("mcp_gateway_open_streams", "Event streams open to clients.", multiprocess_mode="livesum")
_key_lookups = Counter(
    "mcp_gateway_key_lookups", "Keys found in the worker's memory, asked of Redis, or neither.", ("outcome",)
)
_events = Counter("mcp_gateway_usage_events", "Usage events by what happened to them.", ("step",))
_insert_durations = Histogram(
    "mcp_gateway_usage_insert_duration_seconds", "Inserting one batch into ClickHouse.", buckets=_DURATIONS
)
_spool_bytes = Gauge(
    "mcp_gateway_usage_spool_bytes", "Usage events on disk that wait for Redis.", multiprocess_mode="livesum"
)
_spool_torn_bytes = Counter("mcp_gateway_usage_spool_torn_bytes", "Ends of spool files that were never acknowledged.")
_spool_damaged_bytes = Counter(
    "mcp_gateway_usage_spool_damaged_bytes", "Unreadable parts of spool files, kept on disk."
)
_stream_entries = Gauge(
    "mcp_gateway_usage_stream_entries",
    "Entries of the usage stream in Redis.",
    multiprocess_mode="mostrecent",
)
_stream_bound = Gauge("mcp_gateway_usage_stream_bound", "Entries above which to act.", multiprocess_mode="mostrecent")
_waiting_seconds = Gauge(
    "mcp_gateway_usage_waiting_seconds", "Age of the oldest usage entry.", multiprocess_mode="mostrecent"
)
_clickhouse_up = Gauge(
    "mcp_gateway_clickhouse_up", "1 if the last insert reached ClickHouse.", multiprocess_mode="mostrecent"
)


class _Words:
    """Keeps a label to a small set of words, whatever it is given."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, text: str) -> str:
        if text in self._known:
            return text
        if len(self._known) >= MAX_WORDS or not _WORD.match(text):
            return OTHER
        self._known.add(text)
        return text


_reason = _Words()
_phase = _Words()


_key_outcomes = {outcome: _key_lookups.labels(outcome) for outcome in ("hit", "miss", "error")}


def key_lookup(outcome: Literal["hit", "miss", "error"]) -> None:
    """A key was `hit` in memory, a `miss` that Redis answered, or an `error`."""
    _key_outcomes[outcome].inc()


class ProxyMetrics:
    """Counts what `gateway.proxy.observed.Observed` tells."""

    def __init__(self) -> None:
        # A look-up of labels costs more than the counting. As many as there are methods, statuses and reasons.
        self._answered: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, status: int, reason: str, seconds: float) -> None:
        """A request was answered; `reason` is `forwarded`, or why the gateway answered by itself."""
        known = method if method in _HTTP_METHODS else OTHER
        labels = known, str(status) if 100 <= status <= 599 else OTHER, _reason(reason)
        children = self._answered.get(labels)
        if children is None:
            children = self._answered[labels] = _requests.labels(*labels), _durations.labels(known)
        children[0].inc()
        children[1].observe(seconds)

    def upstream_failed(self, phase: str) -> None:
        """The upstream failed in this phase."""
        _upstream_errors.labels(_phase(phase)).inc()

    def rule_failed(self) -> None:
        """A metering rule failed on a call."""
        _rule_faults.inc()

    def streams_opened(self, change: int) -> None:
        """So many event streams were opened (or, negative, closed)."""
        _open_streams.inc(change)


class UsageMetrics(UsageObserver):
    """Counts every step of usage events."""

    def appended(self, events: int) -> None:
        _events.labels("appended").inc(events)

    def stream_length(self, entries: int, bound: int) -> None:
        _stream_entries.set(entries)
        _stream_bound.set(bound)

    def spooled(self, events: int) -> None:
        _events.labels("spooled").inc(events)

    def unspooled(self, events: int) -> None:
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

    def clickhouse_connected(self, connected: bool) -> None:
        _clickhouse_up.set(1 if connected else 0)

    def waiting(self, entries: int, oldest_ms: int) -> None:
        _stream_entries.set(entries)
        _waiting_seconds.set(oldest_ms / 1000)


def prepare_directory(directory: Path) -> None:
    """Make the folder for the processes' files and drop those of an earlier run."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in directory.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_process(pid: int, directory: Path) -> None:
    """Drop what an ended process says of the present (its open streams); what it counted stays."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def serve_metrics(host: str, port: int, directory: Path) -> Callable[[], None]:
    """Serve the sum of all processes' metrics from a thread, until the returned function is called.

    Raises `OSError` where the port cannot be had.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]
    server, thread = start_http_server(port, host, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
