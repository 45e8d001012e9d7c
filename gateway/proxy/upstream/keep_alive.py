"""The time for which idle connections to the upstream are reused.

A server closes a connection that was idle for its keep-alive time-out. A request that is sent at that moment is lost:
it cannot be sent again, since the server may have received it. So a connection is reused only while the server
surely keeps it open:

- If its last response announced a time-out (`Keep-Alive: timeout=5`): until `MARGIN` seconds before that, at least for
  half of it.
- Otherwise for `UNPROVEN` seconds, less than the default of any common server. Once a connection, the probe, has stayed
  open for `PROBE` seconds without being used: for `PROVEN` seconds. When the upstream closes an idle connection
  earlier, `UNPROVEN` holds again, and no probe begins within `DISTRUST` seconds.

A server that closes idle connections for other reasons (it stops, or needs their memory) can still lose a request.
"""

from __future__ import annotations

from gateway.proxy.upstream.connection import ConnectionState, UpstreamConnection

MARGIN = 1.0
"""Seconds before the announced time-out at which a connection is no longer reused."""
MAX_ANNOUNCED = 60.0
"""Seconds for which a connection is reused at most, whatever is announced."""
UNPROVEN = 0.5
"""Seconds for which a connection is reused if nothing is announced or known."""
PROVEN = 2.5
"""The same after a probe."""
PROBE = 3.0
"""Seconds for which a probe must stay open."""
DISTRUST = 60.0
"""Seconds without a probe after the upstream has closed an idle connection."""


class KeepAlive:
    """Bounds the idle time of connections by what the upstream announces, and by what was observed."""

    def __init__(self) -> None:
        self._unannounced = UNPROVEN
        self._probe: UpstreamConnection | None = None
        self._distrusted_until = 0.0

    def seconds(self, announced: int | None) -> float:
        """Return the time for which a connection may be idle; `announced` is the time-out that its response states."""
        if announced is None:
            return self._unannounced
        return min(max(announced - MARGIN, announced / 2), MAX_ANNOUNCED)

    def adopt_probe(self, connection: UpstreamConnection, now: float) -> bool:
        """Return True if a connection that has been idle for too long is to stay open as the probe."""
        is_wanted = self._probe is None and self._unannounced == UNPROVEN and now >= self._distrusted_until
        if not is_wanted or connection.response.keep_alive_timeout is not None:
            return False
        self._probe = connection
        connection.deadline += PROBE - UNPROVEN
        return True

    def check_probe(self, now: float) -> None:
        """Learn from the probe, if it was closed or its time is over; call this before its deadline is handled."""
        probe = self._probe
        if probe is None:
            return
        if probe.state is ConnectionState.CLOSED:
            self.closed_early(now)
        elif probe.deadline <= now:
            self._probe = None
            self._unannounced = PROVEN

    def closed_early(self, now: float) -> bool:
        """Note that the upstream closed an idle connection; return True if others may have been idle for too long."""
        was_proven = self._unannounced > UNPROVEN
        self._probe = None
        self._unannounced = UNPROVEN
        self._distrusted_until = now + DISTRUST
        return was_proven
