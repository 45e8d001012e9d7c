"""The authorization decision: a pure function from a request and a key to `Allow` or `Deny`.

The rules, in this order; the first that applies decides:

1. A body that consists of one public request is allowed without a key. With a bad key it is rejected, so that a client
   fails when it connects, unless bad keys are ignored there (`GATEWAY_BAD_KEY_ON_PUBLIC`).
2. Anything else needs a valid key. The reason why a key is invalid (401) goes to logs and metrics, never to the client.
3. The key must be allowed from the client's address. The messages must be valid, and the routing headers must agree
   with them. Each call must name an allowed tool and read allowed tables only. A restricted key's call that cannot be
   understood is rejected.

The scopes are those of the key and those of its owner's policy; both must allow a request.

Pure: does no I/O.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.keys.limits import Of
from gateway.keys.record import KeyRecord, OwnerPolicy, Restrictions
from gateway.protocol import errors
from gateway.protocol.forwarded import parse_network
from gateway.protocol.message import Body, Message, is_public
from gateway.protocol.routing_headers import find_mismatch
from gateway.proxy.admission.rejections import (
    NO_KEY,
    NO_TOOL,
    Deny,
    address_not_allowed,
    invalid,
    table_not_allowed,
    tables_unknown,
    tool_not_allowed,
    tool_not_read_only,
)

ReadOnlyHint = Callable[[str], bool | None]
"""Returns the `readOnlyHint` with which the upstream declares a tool; `None` for an unknown tool."""


class Allow(msgspec.Struct, frozen=True):
    """The decision to forward a request, as `principal`; `None` for a public request without a key."""

    principal: KeyRecord | None


class PolicyInputs(msgspec.Struct, frozen=True):
    """The parts of a request head that the decision depends on."""

    client_ip: str
    mcp_method: str | None
    """The routing header `Mcp-Method`."""
    mcp_name: str | None
    """The routing header `Mcp-Name`."""


class Policy(msgspec.Struct, frozen=True):
    """The policy of one gateway."""

    public_methods: Collection[str]
    ignores_bad_keys: bool
    """True if a bad key of a public request counts as none."""
    tables_in_arguments: Callable[[str, dict[str, Any]], tuple[str, ...] | None]
    """Returns the tables that a call of a tool with these arguments will read; `None` if that cannot be known."""
    read_only_hint: ReadOnlyHint

    def decide(self, body: Body, credential: KeyRecord | Deny, inputs: PolicyInputs) -> Allow | Deny:
        """Decide on a request; `credential` is the key's record, or the reason why there is none."""
        difference = find_mismatch(body, inputs.mcp_method, inputs.mcp_name)
        if is_public(body, self.public_methods):
            return self._decide_public(credential, inputs, difference)
        if isinstance(credential, Deny):
            return credential
        has_scopes = credential.has_scopes
        if has_scopes and (deny := check_address(credential, inputs.client_ip)):
            return deny
        for message in body.messages:
            if message.form_error:
                return invalid(message.form_error)
        if difference:
            return invalid(difference, errors.HEADER_MISMATCH)
        if has_scopes and (credential.is_limited_to_tools or credential.is_limited_to_tables):
            for message in body.messages:
                if deny := self._check_call(credential, message):
                    return msgspec.structs.replace(deny, tool=message.tool or "") if body.is_batch else deny
        return Allow(credential)

    def _decide_public(self, credential: KeyRecord | Deny, inputs: PolicyInputs, difference: str) -> Allow | Deny:
        is_anonymous = credential is NO_KEY or (isinstance(credential, Deny) and self.ignores_bad_keys)
        if isinstance(credential, Deny) and not is_anonymous:
            return credential
        if difference:
            return invalid(difference, errors.HEADER_MISMATCH)
        # A key that is not allowed from this address counts as no key: the request stays public.
        if isinstance(credential, Deny) or check_address(credential, inputs.client_ip):
            return Allow(None)
        return Allow(credential)

    def _check_call(self, key: KeyRecord, message: Message) -> Deny | None:
        if message.method != "tools/call":
            return None
        tool = message.tool
        if tool is None:
            return NO_TOOL
        if deny := check_tool(key, tool, self.read_only_hint):
            return deny
        if not key.is_limited_to_tables:
            return None
        tables = self.tables_in_arguments(tool, message.arguments) if message.is_strict else None
        return check_tables(key, tables)


def check_address(key: KeyRecord, client_ip: str) -> Deny | None:
    """Return a `Deny` if the key is restricted to certain addresses, and this is none of them, or unknown."""
    for restrictions in key.restrictions:
        networks = restrictions.allowed_ips
        if networks is not None and not _is_in_networks(client_ip, networks):
            return address_not_allowed(client_ip, _of(restrictions))
    return None


def check_tool(key: KeyRecord, tool: str, read_only_hint: ReadOnlyHint) -> Deny | None:
    """Return a `Deny` if the key may not call the tool. Globs are case-sensitive."""
    for restrictions in key.restrictions:
        globs = restrictions.allowed_tools
        if globs is not None and not _matches_any(tool, globs):
            return tool_not_allowed(tool, globs, _of(restrictions))
        if restrictions.read_only and not (hint := read_only_hint(tool)):
            return tool_not_read_only(tool, _of(restrictions), is_known=hint is not None)
    return None


def check_tables(key: KeyRecord, tables: tuple[str, ...] | None) -> Deny | None:
    """Return a `Deny` if one of the tables is not allowed; `None` stands for tables that cannot be known."""
    for restrictions in key.restrictions:
        allowed = restrictions.allowed_tables
        if allowed is None:
            continue
        if tables is None:
            return tables_unknown(allowed, _of(restrictions))
        names = _casefolded(allowed)
        for table in tables:
            if table.casefold() not in names:
                return table_not_allowed(table, allowed, _of(restrictions))
    return None


def _of(restrictions: Restrictions) -> Of:
    return "owner" if isinstance(restrictions, OwnerPolicy) else "key"


# The same few keys make most calls.


@functools.lru_cache(maxsize=1024)
def _is_in_networks(client_ip: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(client_ip)
    except ValueError:
        return False
    return any(address in parse_network(network) for network in networks)


@functools.lru_cache(maxsize=1024)
def _matches_any(tool: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(tool, glob) for glob in globs)


@functools.lru_cache(maxsize=256)
def _casefolded(tables: tuple[str, ...]) -> frozenset[str]:
    return frozenset(table.casefold() for table in tables)
