"""The state of a usage writer: its lease, its connection to ClickHouse, and its present fault."""

from __future__ import annotations

import logging

import msgspec

from gateway.usage.metrics_sink import UsageMetricsSink

log = logging.getLogger(__name__)


class WriterState(msgspec.Struct, frozen=True):
    """A snapshot of a writer."""

    is_leading: bool
    """True if this process drains the stream; False if another one does, or none."""
    connected: bool
    """True if the last attempt reached ClickHouse."""
    problem: str
    """The present fault; empty without one."""


class WriterHealth:
    """Tracks the faults of a writer's dependencies."""

    def __init__(self, metrics: UsageMetricsSink) -> None:
        self._metrics = metrics
        self.connected = True
        self.problem = ""

    def clickhouse_answered(self) -> None:
        if not self.connected:
            log.warning("usage writer: ClickHouse is back")
        self._set_connected(True, "")

    def clickhouse_failed(self, problem: str) -> None:
        if self.connected or problem != self.problem:
            log.error("usage writer: %s; the stream keeps the events meanwhile", problem)
        self._set_connected(False, problem)

    def failed(self, problem: str) -> None:
        """Register a fault other than ClickHouse's."""
        self.problem = problem

    def recovered(self) -> None:
        """Clear such a fault."""
        if self.connected:
            self.problem = ""

    def _set_connected(self, connected: bool, problem: str) -> None:
        self.connected, self.problem = connected, problem
        self._metrics.clickhouse_connected(connected)
