"""Identifiers that are unique, and sortable by the time at which they were made: UUIDv7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import random
import secrets

_random = random.Random(secrets.randbits(512))  # noqa: S311
"""The ids must differ, also between processes; they need not be unguessable."""
_48_BITS = (1 << 48) - 1
_62_BITS = (1 << 62) - 1
_VARIANT = 0b10 << 62


def new_uuid7(now_ms: int) -> str:
    """Return a UUIDv7 as 32 hexadecimal digits."""
    bits = _random.getrandbits(74)
    return f"{now_ms & _48_BITS:012x}7{bits >> 62:03x}{_VARIANT | bits & _62_BITS:016x}"


class AscendingUuids:
    """Makes UUIDs of which each is greater than the one before, also within a millisecond."""

    def __init__(self) -> None:
        self._last = ""

    def new(self, now_ms: int) -> str:
        """Return a UUIDv7; one more than the last one if the clock stands still and a random one would be smaller."""
        made = new_uuid7(now_ms)
        if made <= self._last and made[:12] == self._last[:12]:
            made = f"{int(self._last, 16) + 1:032x}"
        self._last = made
        return made
