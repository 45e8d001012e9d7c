"""The interface through which the usage pipeline reports measurements.

Every method does nothing here; an implementation overrides those that it needs. They are called on the event loop and
must not block.
"""

from __future__ import annotations


class UsageMetricsSink:
    """Receives the measurements of usage events between the gateway and ClickHouse."""

    def write(self) -> None:
        """Publish accumulated measurements; called periodically, and at the end."""

    def appended(self, events: int) -> None:
        """Redis acknowledged events."""

    def stream_length(self, entries: int, bound: int) -> None:
        """The usage stream has `entries` entries; `bound` is the alarm threshold."""

    def spooled(self, events: int) -> None:
        """Redis did not acknowledge events; only the spool has them."""

    def spool_failed(self, events: int) -> None:
        """Events could not be written to the spool; only Redis may have them."""

    def spool_size(self, size: int) -> None:
        """The spool of this process holds `size` bytes of which Redis may lack some."""

    def resent(self, events: int) -> None:
        """Redis acknowledged events of the spool."""

    def spool_torn(self, size: int) -> None:
        """A spool file of a killed process ended with `size` bytes of a record that was never acknowledged."""

    def spool_damaged(self, size: int) -> None:
        """A spool file had `size` unreadable bytes between its records; the file was kept."""

    def refused(self, events: int) -> None:
        """Events could be stored neither in Redis nor in the spool; their responses must not be completed."""

    def inserted(self, events: int, seconds: float) -> None:
        """ClickHouse acknowledged a batch of `events` events after `seconds`."""

    def dead_lettered(self, events: int) -> None:
        """Events or entries were moved to the dead letters."""

    def unbalanced(self, events: int) -> None:
        """Accepted and found events differ by `events`; 0 if they agree."""

    def clickhouse_connected(self, connected: bool) -> None:
        """The last attempt to insert reached ClickHouse, or did not."""

    def waiting(self, entries: int, oldest_ms: int) -> None:
        """The usage stream has `entries` entries, the oldest of which is `oldest_ms` old."""
