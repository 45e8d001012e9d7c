"""Who makes the calls of a request, and through what client, as their usage events tell it."""

from __future__ import annotations

from typing import Any

from gateway.keys.record import KeyRecord
from gateway.protocol.message import Message
from gateway.proxy.accounting.models import MAX_TEXT, Caller
from gateway.proxy.admission.head import LastCaller, RequestHead
from gateway.proxy.admission.sessions import Session

_CLIENT_INFO = "io.modelcontextprotocol/clientInfo"


def caller_of(
    incoming: RequestHead, message: Message | None, record: KeyRecord | None, session: Session, gateway_id: str
) -> Caller:
    """The caller of one request; the same as before where a connection's requests have it in common."""
    name, version = client_of(message)
    if not name:
        name, version = session.client_name, session.client_version
    if not name:
        name, version = incoming.user_agent
    last = incoming.caller
    if (
        last is not None
        and last.record is record
        and last.session is session
        and (last.name, last.version) == (name, version)
    ):
        return last.caller
    caller = Caller(
        key_id=record.key_id if record else "",
        key_name=record.key_name if record else "",
        owner=record.owner if record else "",
        client_name=name[:MAX_TEXT],
        client_version=version[:MAX_TEXT],
        session_id=incoming.session_ids[-1] if incoming.session_ids else "",
        protocol_version=(incoming.text(b"mcp-protocol-version") or session.protocol_version)[:MAX_TEXT],
        client_ip=incoming.client_ip,
        gateway_id=gateway_id,
    )
    incoming.caller = LastCaller(record, session, name, version, caller)
    return caller


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
