"""The caller of a request, as its usage events name it."""

from __future__ import annotations

import msgspec

MAX_TEXT = 256
"""Maximum characters of a usage event's field whose text a client or server chose."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The key, the client and the session that a request came from."""

    key_id: str
    key_name: str
    owner: str
    client_name: str
    """Like all texts chosen by the client, at most `MAX_TEXT` characters."""
    client_version: str
    session_id: str
    protocol_version: str
    client_ip: str
    gateway_id: str
