"""Prometheus metrics of all processes, served by the supervisor.

- No label takes a value from a client: tools, tables, keys and owners are what usage is for. What comes from
  outside the fixed sets is counted as `other`.
- Workers and the admin process write to files in `PROMETHEUS_MULTIPROC_DIR`, which must be set before this
  module is imported; the supervisor sums them up.
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
_unbalanced_events = Gauge(
    "mcp_gateway_usage_unbalanced_events",
    "Events by which what was accepted differs from what is found.",
    multiprocess_mode="mostrecent",
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
_looked_up = dict.fromkeys(_key_outcomes, 0)


def key_lookup(outcome: Literal["hit", "miss", "error"]) -> None:
    """A key was `hit` in memory, a `miss` that Redis answered, or an `error`; `ProxyMetrics.write` shows it."""
    _looked_up[outcome] += 1


class _Answers:
    """Answers with the same labels, since they were last written."""

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
        # A histogram has no way of its own to take many at once.
        self._duration._sum.inc(self._seconds)
        for value, added in zip(self._duration._buckets, self._buckets, strict=True):
            if added:
                value.inc(added)
        self._buckets = [0] * len(self._buckets)
        self._seconds = 0.0


class ProxyMetrics:
    """Counts what `gateway.proxy.metrics_sink.Observed` tells.

    What every request tells is added up here and written now and then: a write costs more than the counting.
    """

    def __init__(self) -> None:
        self._answered: dict[tuple[str, int, str], _Answers] = {}
        self._streams = 0

    def answered(self, method: str, status: int, reason: str, seconds: float) -> None:
        """A request was answered; `reason` is `forwarded`, or why the gateway answered by itself."""
        answers = self._answered.get((method, status, reason))
        if answers is None:
            known = method if method in _HTTP_METHODS else OTHER
            labels = known, status if 100 <= status <= 599 else 0, _reason(reason)
            answers = self._answered.get(labels)
            if answers is None:
                answers = self._answered[labels] = _Answers(known, str(labels[1] or OTHER), labels[2])
        answers.add(seconds)

    def write(self) -> None:
        """Show what was added up."""
        for answers in self._answered.values():
            answers.write()
        if self._streams:
            _open_streams.inc(self._streams)
            self._streams = 0
        for outcome, count in _looked_up.items():
            if count:
                _key_outcomes[outcome].inc(count)
                _looked_up[outcome] = 0

    def upstream_failed(self, phase: str) -> None:
        """The upstream failed in this phase."""
        _upstream_errors.labels(_phase(phase)).inc()

    def rule_failed(self) -> None:
        """A metering rule failed on a call."""
        _rule_faults.inc()

    def streams_opened(self, change: int) -> None:
        """So many event streams were opened (or, negative, closed)."""
        self._streams += change


class UsageMetrics(UsageMetricsSink):
    """Counts every step of usage events. What every batch tells is written now and then."""

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

    def unbalanced(self, events: int) -> None:
        _unbalanced_events.set(abs(events))

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
