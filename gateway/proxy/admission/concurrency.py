"""How many requests a worker serves at once.

Streams that listen, and who has no good key, take no room from the others; each kind has its own bound.
"""

from __future__ import annotations

import math
from typing import Literal

from gateway.proxy.admission import rejections
from gateway.proxy.admission.rejections import RequestRejected

Kind = Literal["request", "listening", "keyless", "unidentified"]

_KEYLESS_PART = 4
"""Requests without a good key get this part of the room for requests, besides."""


class ConcurrencyLimiter:
    """Counts the requests that are being served, by kind."""

    def __init__(self, most: int) -> None:
        self._most: dict[Kind, int] = {
            "request": most,
            "listening": most,
            "keyless": math.ceil(most / _KEYLESS_PART),
            "unidentified": most,
        }
        self._active = dict.fromkeys(self._most, 0)

    def try_to_enter(self, kind: Kind) -> bool:
        """Take a place, to be given back with `leave`; false where there is none."""
        active = self._active[kind]
        if active >= self._most[kind]:
            return False
        self._active[kind] = active + 1
        return True

    def enter(self, kind: Kind) -> None:
        """The same. Raises `RequestRejected` where there is none."""
        if not self.try_to_enter(kind):
            raise RequestRejected(rejections.OVERLOADED)

    def has_one(self, kind: Kind) -> bool:
        """Whether one place alone is taken."""
        return self._active[kind] == 1

    def leave(self, kind: Kind) -> None:
        """Give a place back."""
        self._active[kind] -= 1
