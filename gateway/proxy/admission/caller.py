"""The caller of a request, as its usage events record it.

Pure: does no I/O.
"""

from __future__ import annotations

import msgspec

from gateway.proxy.admission.admission import AdmittedRequest

MAX_TEXT = 256
"""Maximum length in characters of a text in a usage event that a client or server chose."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The key, the client software and the session behind a request."""

    key_id: str
    key_name: str
    owner: str
    client_name: str
    """This and the other texts chosen by the client have at most `MAX_TEXT` characters."""
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
    name, version = name[:MAX_TEXT], version[:MAX_TEXT]
    if cached is not None and cached.client_name == name and cached.client_version == version:
        return cached
    record = request.principal.record if request.principal else None
    return Caller(
        key_id=record.key_id if record else "",
        key_name=record.key_name if record else "",
        owner=record.owner if record else "",
        client_name=name,
        client_version=version,
        session_id=head.session_ids[-1] if head.session_ids else "",
        protocol_version=(head.protocol_version or session.protocol_version)[:MAX_TEXT],
        client_ip=head.client_ip,
        gateway_id=gateway_id,
    )
