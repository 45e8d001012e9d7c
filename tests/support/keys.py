"""Looking up API keys in a store."""

from __future__ import annotations

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.storage.details import LiveSecret
from gateway.keys.storage.last_uses import KeyUse
from gateway.keys.store import KeyStore


async def find_record(store: KeyStore, key: ApiKey) -> KeyRecord | None:
    """Return the record that a key's secret belongs to, or `None`."""
    lookup = await store.find_by_digest(store.digest(key))
    return None if lookup is None else lookup.record


async def record_use(keys: KeyStore, key_id: str, at: int) -> None:
    """Record that a key was used at a time."""
    await keys.last_uses.record({f"digest-of-{key_id}": KeyUse(key_id, at, "agent", "192.0.2.7")})


async def live_secrets(keys: KeyStore, key_id: str) -> list[LiveSecret]:
    """Return the secrets that a key accepts; none for an unknown key."""
    details = await keys.details(key_id)
    return [] if details is None else details.secrets
