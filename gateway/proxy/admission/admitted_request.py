"""The admitted request: a head with its principal, its session and its messages; and its caller for usage events.

Pure: does no I/O.
"""

from __future__ import annotations

import msgspec

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey, without_keys
from gateway.protocol.message import Message
from gateway.proxy.admission.head import RequestHead

MAX_CLIENT_TEXT_CHARACTERS = 256
"""Maximum length in characters of a text in a usage event that a client or server chose."""


class Principal(msgspec.Struct, frozen=True):
    """A valid API key and its record."""

    key: ApiKey
    record: KeyRecord


class Session(msgspec.Struct, frozen=True):
    """A session, as stored in Redis."""

    owner: str
    """Empty while unclaimed."""
    client_name: str = ""
    client_version: str = ""
    protocol_version: str = ""
    address: str = ""
    """The client address that opened an unclaimed session."""
    endpoint: str = ""
    """The upstream's path for messages of the session (HTTP+SSE transport, 2024-11-05); otherwise empty."""
    endpoint_query: str = ""
    """Digest of the query that belongs to the endpoint; empty if the path includes its query."""


NO_SESSION = Session(owner="")
"""The session of a request that names none."""


class AdmittedRequest(msgspec.Struct, frozen=True):
    """A request that may go upstream."""

    head: RequestHead
    principal: Principal | None
    """`None` for a public request without a valid key."""
    session: Session
    body: bytes = b""
    messages: tuple[Message, ...] = ()
    is_batch: bool = False


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The key, the client software and the session behind a request."""

    key_id: str
    key_name: str
    owner: str
    client_name: str
    """This and the other texts chosen by the client have at most `MAX_CLIENT_TEXT_CHARACTERS` characters."""
    client_version: str
    session_id: str
    protocol_version: str
    client_ip: str
    gateway_id: str


def caller_of(request: AdmittedRequest, gateway_id: str, cached: Caller | None = None) -> Caller:
    """Return the caller of a request.

    `cached` is the caller of an earlier request with the same head, principal and session. It is returned if the client
    software is the same, too.
    """
    head, session = request.head, request.session
    name, version = request.messages[0].client_info if request.messages else ("", "")
    if not name:
        name, version = session.client_name, session.client_version
    if not name:
        name, version = head.user_agent
    name, version = stored_text(name), stored_text(version)
    if cached is not None and cached.client_name == name and cached.client_version == version:
        return cached
    record = request.principal.record if request.principal else None
    return Caller(
        key_id=record.key_id if record else "",
        key_name=record.key_name if record else "",
        owner=record.owner if record else "",
        client_name=name,
        client_version=version,
        session_id=without_keys(head.session_ids[-1]) if head.session_ids else "",
        protocol_version=stored_text(head.protocol_version or session.protocol_version),
        client_ip=head.client_ip,
        gateway_id=gateway_id,
    )


def stored_text(text: str) -> str:
    """Return a text that a client chose as it is stored: bounded, and without API keys."""
    return without_keys(text)[:MAX_CLIENT_TEXT_CHARACTERS]
