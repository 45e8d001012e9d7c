"""The answer of a worker to `/readyz`."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "unavailable"]


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """The readiness of a worker; the states are left out while it drains."""

    status: Literal["ready", "not ready"]
    redis: State | None = None
    upstream: State | None = None

    @property
    def is_ready(self) -> bool:
        """True if the worker serves requests."""
        return self.status == "ready"


DRAINING = Readiness("not ready")


def readiness(*, redis: bool, upstream: bool) -> Readiness:
    """Return the readiness of a worker from what it reaches."""
    status: Literal["ready", "not ready"] = "ready" if redis and upstream else "not ready"
    return Readiness(status, "ok" if redis else "unavailable", "ok" if upstream else "unavailable")
