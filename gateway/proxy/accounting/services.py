"""The services of a worker that accounting needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from gateway.metering import MeteringResult, ToolResult
from gateway.proxy.clock import Clock

NewEventId = Callable[[int], str]
"""Returns the id of a new usage event for a time in milliseconds since the epoch."""


class Meter(Protocol):
    """Finds the tables and the number of records of a call."""

    def __call__(self, tool: str, arguments: Mapping[str, Any], result: bytes) -> MeteringResult:
        """Meter one answered call."""

    def meter_decoded(self, tool: str, arguments: Mapping[str, Any], result: ToolResult) -> MeteringResult | None:
        """Meter a call whose result is already decoded; return `None` if the result's bytes are needed."""

    def reachable_tables(self, tool: str, arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the tables that a call can reach if its arguments tell all of them, whatever its result names."""


class Tools(Protocol):
    """Knows the tools of the upstream."""

    def observe_tools(self, result: bytes, *, cursor: str | None, requested_at: int) -> None:
        """Learn the tools of a `tools/list` result, as the upstream sent it.

        `cursor` is that of `TrackedRequest`; `requested_at` is the time of the request (milliseconds since the epoch).
        """

    def read_only_hint(self, tool: str) -> bool | None:
        """Return the `readOnlyHint` with which the upstream declares a tool; `None` for an unknown tool."""


class AccountingServices(msgspec.Struct, frozen=True):
    """The services that all exchanges of a worker share: the clock, the ids, the meter and the catalog of tools."""

    clock: Clock
    new_event_id: NewEventId
    meter: Meter
    tools: Tools
