"""Who makes the calls of a request, and through what client, as their usage events tell it."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.protocol.message import Message

MAX_TEXT = 256
"""Characters of a name that a client or server chose, as it is kept in a usage event."""

_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes the calls of a request, and through what."""

    key_id: str
    key_name: str
    owner: str
    client_name: str
    """As this and other texts of the client's, at most `MAX_TEXT` characters."""
    client_version: str
    session_id: str
    protocol_version: str
    client_ip: str
    gateway_id: str


def client_of(message: Message | None) -> tuple[str, str]:
    """Name and version of the client, as `initialize` or a request of 2026-07-28 tells them; empty where none does."""
    if message is None:
        return "", ""
    info: Any = message.meta(_CLIENT_INFO)
    if info is None and message.method == "initialize" and isinstance(message.params, dict):
        info = message.params.get("clientInfo")
    if not isinstance(info, dict):
        return "", ""
    name, version = info.get("name"), info.get("version")
    return (name if isinstance(name, str) else ""), (version if isinstance(version, str) else "")
