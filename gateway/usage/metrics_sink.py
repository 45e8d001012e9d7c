"""What the usage pipeline tells whoever counts and alarms.

Every method does nothing here; metrics override the ones they show. They are called on the event loop and
must return at once.
"""

from __future__ import annotations


class UsageMetricsSink:
    """Hears of every step of usage events between the gateway and ClickHouse."""

    def write(self) -> None:
        """Show what was told; called now and then, and at the end."""

    def appended(self, events: int) -> None:
        """So many events were acknowledged by Redis."""

    def stream_length(self, entries: int, bound: int) -> None:
        """The usage stream holds so many entries; more than `bound` of them is an alarm."""

    def spooled(self, events: int) -> None:
        """So many events went to the spool, because Redis did not take them."""

    def unspooled(self, events: int) -> None:
        """So many events have no copy on disk, because it takes none; they are only in Redis, if at all."""

    def spool_size(self, size: int) -> None:
        """The spool of this process now holds so many bytes of which Redis may lack some."""

    def resent(self, events: int) -> None:
        """So many spooled events were acknowledged by Redis."""

    def spool_torn(self, size: int) -> None:
        """A spool file of a killed process ended in `size` bytes of a record that was never acknowledged."""

    def spool_damaged(self, size: int) -> None:
        """A spool file had `size` unreadable bytes amid its records; the file was kept."""

    def refused(self, events: int) -> None:
        """So many events could be put neither into Redis nor into the spool; their answers must not go
        out.
        """

    def inserted(self, events: int, seconds: float) -> None:
        """ClickHouse acknowledged a batch of so many events after so many seconds."""

    def dead_lettered(self, events: int) -> None:
        """So many events or entries went to the dead-letter stream."""

    def unbalanced(self, events: int) -> None:
        """By so many events what was accepted differs from what is found; 0 where it agrees."""

    def clickhouse_connected(self, connected: bool) -> None:
        """The last attempt to insert found ClickHouse there, or not."""

    def waiting(self, entries: int, oldest_ms: int) -> None:
        """The stream holds so many entries; the oldest has waited for so many milliseconds."""
