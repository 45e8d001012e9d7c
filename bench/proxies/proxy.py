"""A running proxy, and the usage that it is expected to record."""

from __future__ import annotations

from collections.abc import Mapping

_NO_KEY = "sk-" + "0" * 49


class Usage:
    """Expected usage of a proxy that records none: nothing is verified."""

    def add(self, calls: int, records: int) -> None:
        """Count calls that were sent."""

    def wait_until_stored(self) -> None:
        """Wait until the usage of all calls is stored."""

    def verify(self) -> None:
        """Raise `BenchError` unless the usage history has exactly these calls and records."""


class Proxy:
    """A running proxy, and the key that is sent to it."""

    def __init__(
        self, name: str, port: int, processes: Mapping[str, int], *, key: str = _NO_KEY, usage: Usage | None = None
    ) -> None:
        """`processes` are process ids by name, the first that of the proxy itself; each is measured separately."""
        self.name = name
        self.port = port
        self.processes = processes
        self.key = key
        self.usage = usage or Usage()
