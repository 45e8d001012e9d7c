"""A key together with its secrets, as it is shown: without the secrets themselves."""

from __future__ import annotations

from typing import NamedTuple

from gateway.keys.record import KeyRecord
from gateway.keys.storage.last_uses import SecretUse
from gateway.timestamps import format_rfc3339


class LiveSecret(NamedTuple):
    """A secret that a key accepts, without the secret, and its last use. Times are milliseconds since the epoch."""

    prefix: str | None
    """`None` for a secret that an earlier version replaced."""
    since: int | None
    """`None` for a secret that an earlier version made."""
    until: int | None
    """The end of its overlap; `None` for the newest secret."""
    last_use: SecretUse | None = None

    def values(self) -> dict[str, str | None]:
        """Return the members by which the admin API and the command line describe it."""
        use = self.last_use
        return {
            "prefix": self.prefix,
            "since": format_rfc3339(self.since),
            "until": format_rfc3339(self.until),
            "last_used_at": None if use is None else format_rfc3339(use.at),
            "client": None if use is None else use.client or None,
            "address": None if use is None else use.address,
        }


class KeyDetails(NamedTuple):
    """A key, the secrets that it accepts while it is active, and the version of both."""

    record: KeyRecord
    secrets: list[LiveSecret]
    """Newest first."""
    version: str


class UpdatedKey(NamedTuple):
    """A changed key and its version."""

    record: KeyRecord
    version: str


class VersionMismatch(Exception):
    """The key has changed since the version that a change names."""


class KeyLookup(NamedTuple):
    """The record that a secret belongs to, and the end of its overlap if the secret was replaced."""

    record: KeyRecord
    secret_expires_at: int | None
