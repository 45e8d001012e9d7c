"""Results that a connection keeps of its last request, for the next request with the same head.

The rules:

- An entry is looked up by the bytes of the head, which must be the same except for the number of `Content-Length`.
- Entries are frozen and replaced as a whole. Nothing is ever written into one.
- What depends on more than the head (`CachedAdmission`) names what it depends on: the key's record and the session.
  Both are looked up for every request; the cached result is used only if they are equal.
- Nothing that depends on a body is cached.
"""

from __future__ import annotations

import msgspec

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.admitted_request import Caller, Principal, Session
from gateway.proxy.admission.head import RequestHead


class CachedAdmission(msgspec.Struct, frozen=True):
    """Results of admitting a request as this principal into this session."""

    principal: Principal
    session: Session
    caller: Caller
    upstream_head: bytes
    """The head that was sent upstream, up to its `Content-Length`."""

    def applies_to(self, record: KeyRecord, session: Session) -> bool:
        """Return True if a request with this key and session gets the same results."""
        return self.principal.record == record and self.session == session


class CachedRequestHead(msgspec.Struct, frozen=True):
    """A request head that was checked, and its last admission, if any."""

    head: RequestHead
    admission: CachedAdmission | None = None
