"""The number of requests that a worker serves concurrently, by type.

Each type has its own limit, so that listening streams and clients without a valid key take no capacity from requests.
"""

from __future__ import annotations

import math
from typing import Literal

from gateway.proxy.admission.rejections import OVERLOADED, RequestRejected

RequestType = Literal["request", "listening", "keyless", "key_lookup"]
"""`request`: a POST or DELETE with a valid key. `listening`: a GET with one, open until one side closes it.
`keyless`: a request without a valid key. `key_lookup`: a request whose key is being looked up in Redis; it becomes one
of the others."""

_KEYLESS_DIVISOR = 4
"""Requests without a valid key have a separate limit: the limit of requests divided by this."""


class ConcurrencyLimiter:
    """Counts the requests in flight."""

    def __init__(self, limit: int) -> None:
        self._limits: dict[RequestType, int] = {
            "request": limit,
            "listening": limit,
            "keyless": math.ceil(limit / _KEYLESS_DIVISOR),
            "key_lookup": limit,
        }
        self.active = dict.fromkeys(self._limits, 0)
        """Requests in flight, by type."""

    def try_acquire(self, type_: RequestType) -> bool:
        """Count one more request, until `release`. Return False if the limit is reached."""
        active = self.active[type_]
        if active >= self._limits[type_]:
            return False
        self.active[type_] = active + 1
        return True

    def acquire(self, type_: RequestType) -> None:
        """Count one more request, until `release`. Raises `RequestRejected` if the limit is reached."""
        if not self.try_acquire(type_):
            raise RequestRejected(OVERLOADED)

    def is_sole(self, type_: RequestType) -> bool:
        """Return True if exactly one request of the type is in flight."""
        return self.active[type_] == 1

    def release(self, type_: RequestType) -> None:
        """Count one request less."""
        self.active[type_] -= 1
