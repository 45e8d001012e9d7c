"""Whether a request may pass, as a value: `Allow` or `Deny`.

The rules, in their order (the first that applies decides):

1. A body that is one public request passes without a key.
2. Anything else needs a key; why a key was refused is told to the log, never to the client.
3. The key must be allowed the client's address; the message must be one that can be forwarded; the routing headers
   must agree with the body; each call must name an allowed tool and read only allowed tables, and what cannot be known
   of a restricted key's call is refused.

Nothing here does I/O; one place (`gateway.proxy.downstream.responses`) turns a `Deny` into HTTP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.keys.record import KeyRecord
from gateway.protocol import errors
from gateway.protocol.message import Body, Message, is_public
from gateway.protocol.routing_headers import find_mismatch
from gateway.proxy.admission.rejections import Deny, forbidden, invalid


class Allow(msgspec.Struct, frozen=True):
    """The request may be forwarded, as `principal`, or as nobody for a public request."""

    principal: KeyRecord | None


class PolicyInputs(msgspec.Struct, frozen=True):
    """What the decision knows beside the body and the key."""

    public_methods: Collection[str]
    client_ip: str
    mcp_method: str | None
    mcp_name: str | None
    tables_in_arguments: Callable[[str, dict[str, Any]], tuple[str, ...] | None]
    """Metering's view of a call before it is made; `None` where it cannot be known."""


def decide(body: Body, credential: KeyRecord | Deny, facts: PolicyInputs) -> Allow | Deny:
    """Decide on one request; `credential` is the key's record, or why there is none."""
    difference = find_mismatch(body, facts.mcp_method, facts.mcp_name)
    if is_public(body, facts.public_methods):
        if difference:
            return invalid(difference, errors.HEADER_MISMATCH)
        # A key from an address that it is not allowed is as good as none here: the request passes as nobody's.
        if isinstance(credential, Deny) or address_refusal(credential, facts.client_ip):
            return Allow(None)
        return Allow(credential)
    if isinstance(credential, Deny):
        return credential
    if credential.allowed_ips is not None and (refusal := address_refusal(credential, facts.client_ip)):
        return refusal
    for message in body.messages:
        if message.fault:
            return invalid(message.fault)
    if difference:
        return invalid(difference, errors.HEADER_MISMATCH)
    if credential.allowed_tools is not None or credential.allowed_tables is not None:
        for message in body.messages:
            if refusal := _call_refusal(credential, message, facts):
                return refusal
    return Allow(credential)


def address_refusal(key: KeyRecord, client_ip: str) -> Deny | None:
    """Refuse a key used from an address that it is not allowed; an unknown address is refused."""
    if key.allowed_ips is None:
        return None
    try:
        address = ipaddress.ip_address(client_ip)
    except ValueError:
        return forbidden("This API key may not be used from this address", "address")
    if any(address in ipaddress.ip_network(allowed, strict=False) for allowed in key.allowed_ips):
        return None
    return forbidden("This API key may not be used from this address", "address")


def is_tool_allowed(key: KeyRecord, tool: str) -> bool:
    """Whether one of the key's globs matches the tool's name; letter case counts."""
    return key.allowed_tools is None or any(fnmatchcase(tool, glob) for glob in key.allowed_tools)


def tables_refusal(key: KeyRecord, tables: tuple[str, ...] | None) -> Deny | None:
    """Refuse tables that the key is not allowed, and tables that cannot be known."""
    if key.allowed_tables is None:
        return None
    if tables is None:
        return forbidden("This API key is limited to some tables, and what this call reads cannot be known", "table")
    allowed = {table.casefold() for table in key.allowed_tables}
    for table in tables:
        if table.casefold() not in allowed:
            return forbidden(f"This API key may not read the table {table!r}", "table")
    return None


def _call_refusal(key: KeyRecord, message: Message, facts: PolicyInputs) -> Deny | None:
    if message.method != "tools/call":
        return None
    tool = message.tool
    if tool is None or not is_tool_allowed(key, tool):
        return forbidden("This API key may not call this tool", "tool")
    if key.allowed_tables is None:
        return None
    return tables_refusal(key, facts.tables_in_arguments(tool, message.arguments))
