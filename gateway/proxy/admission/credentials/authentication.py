"""Authentication: from the API key in a request head to the principal.

A key that cannot be checked, because Redis is unavailable and the key is not cached, is rejected.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.keys.cache import KeyCache, KeysUnavailable
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.admitted_request import Principal
from gateway.proxy.admission.rejections import REDIS_UNAVAILABLE, Deny, bad_key


class Authenticator:
    """Checks API keys. A credential is the key in a request, or the reason why it has none."""

    def __init__(self, keys: KeyCache, *, now_ms: Callable[[], int]) -> None:
        self._keys = keys
        self._now_ms = now_ms

    def cached_principal(self, credential: ApiKey | Deny) -> Principal | None:
        """Return the principal of a valid key that is in the worker's cache; `None` for all others."""
        if isinstance(credential, Deny):
            return None
        record = self._keys.cached_record(credential)
        if record is None or record.status(self._now_ms()) != "active":
            return None
        return Principal(credential, record)

    async def authenticate(self, credential: ApiKey | Deny) -> Principal | Deny:
        """Return the principal of a valid key, or the reason why there is none."""
        if isinstance(credential, Deny):
            return credential
        try:
            record = await self._keys.find(credential)
        except KeysUnavailable:
            return REDIS_UNAVAILABLE
        if record is None:
            return bad_key("unknown")
        status = record.status(self._now_ms())
        return Principal(credential, record) if status == "active" else bad_key(status)

    async def is_still_valid(self, key: ApiKey, owner: str, scopes: tuple[object, ...] | None) -> bool:
        """Return True if a key of this owner still is one, and valid, and has these scopes unless they are `None`.

        Returns False also if it cannot be checked.
        """
        principal = await self.authenticate(key)
        if not isinstance(principal, Principal) or principal.record.owner != owner:
            return False
        return scopes is None or principal.record.scopes == scopes
