"""What was asked, as it has to be known when the answer passes: on the connection of the request, or on another.

Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.caller import Caller

MAX_ARGUMENTS = 4096
"""Bytes of a call's arguments in JSON that are noted; of larger ones only the tables that they name are."""

_NO_ARGUMENTS: Mapping[str, Any] = {}


class Call(msgspec.Struct, frozen=True):
    """One request on its way whose answer is looked at."""

    id_json: str
    method: str
    tool: str = ""
    arguments: Mapping[str, Any] = _NO_ARGUMENTS
    task_id: str = ""
    """The task that a `tasks/get` or `tasks/result` asks for."""


class PendingRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request as it is noted: all that counting and checking its answer will need."""

    event_id: str
    """Of the usage event that its answer will make; so this id is also its own."""
    id_json: str
    method: str
    caller: Caller
    """Without the session's id."""
    started_ms: int
    tool: str = ""
    arguments: Mapping[str, Any] = _NO_ARGUMENTS
    arguments_hash: str = ""
    tables: tuple[str, ...] = ()
    """What too large arguments name."""
    task_id: str = ""
    """The task that a `tasks/get` or `tasks/result` asks for."""
    has_quota: bool = False
    """Whether its key has a daily quota of records."""
    is_restricted: bool = False
    """Whether its key is limited to tools or tables."""
    is_kept: bool = False
    """Whether its answer may be repeated, so that it has to be known beyond its first answer."""


class Scope(msgspec.Struct, frozen=True):
    """Within what an id is unique: the session of an owner, or the tasks of an owner."""

    owner: str
    kind: Literal["session", "key", "tasks"]
    id: str = ""

    def name(self, id_: str) -> str:
        """The digest under which an id of this scope is noted."""
        return digest(self.owner, self.kind, self.id, id_)


class LookupResult(msgspec.Struct, frozen=True):
    """What is known of an answer that passes.

    `taken`: nobody has counted it, and who asked is to. `counted`: somebody has. `unknown`: nothing is. `foreign`: it
    is another owner's.
    """

    state: Literal["taken", "counted", "unknown", "foreign"]
    request: PendingRequest | None = None
    is_certain: bool = False
    """Whether it can be no other request's answer."""


UNKNOWN = LookupResult("unknown")
FOREIGN = LookupResult("foreign")


class Lookup(msgspec.Struct, frozen=True):
    """A question to Redis: which request has this id, which call made this task, or whose task this is."""

    kind: Literal["request", "task", "owner"]
    id: str
    is_own: bool = False
    """Whether just the request that was noted in this exchange is meant, and no other of that id."""


def is_restricted(key: KeyRecord | None) -> bool:
    """Whether answers to this key have to be checked."""
    return key is not None and (key.allowed_tools is not None or key.allowed_tables is not None)


def digest(*parts: str) -> str:
    """SHA-256 of some texts, in hexadecimal."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
