"""The records of the correlation store: registered requests, their scope, and lookups.

Imports no I/O library and does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway.proxy.accounting.tracked_request import NO_ARGUMENTS, TrackedRequest
from gateway.proxy.admission.admitted_request import Caller
from gateway.proxy.admission.rejections import Deny
from gateway.redis import names

MAX_ARGUMENTS = 4096
"""Maximum bytes of a call's arguments (as JSON) that are stored; of larger ones, only the tables they name are."""


class RegisteredRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered request, with everything needed to count and to check a response on another stream."""

    event_id: str
    """Id of the usage event that the response will produce; also identifies this request."""
    id_json: str
    method: str
    caller: Caller
    """Without its session id, which is not stored in Redis."""
    started_ms: int
    tool: str = ""
    arguments: Mapping[str, Any] = NO_ARGUMENTS
    arguments_hash: str = ""
    tables: tuple[str, ...] = ()
    """The tables named by arguments that were too large to store."""
    written: tuple[str, ...] = ()
    """Those of them that the call writes."""
    task_id: str = ""
    """The task that a `tasks/get` or `tasks/result` names."""
    cursor: str | None = None
    """As in `TrackedRequest`."""
    slots: tuple[tuple[str, str], ...] = ()
    """The slots of `max_concurrent` that the call holds until its result passes."""
    is_restricted: bool = False
    """True if the key may call certain tools, or read certain tables, only."""
    is_kept: bool = False
    """True if the response may be replayed, so the request must be kept after its first response."""


KnownRequest = TrackedRequest | RegisteredRequest
"""A request of this exchange, or one that was looked up in the correlation store."""


class Scope(msgspec.Struct, frozen=True):
    """The namespace in which a request id or a task id is unique."""

    owner: str
    kind: Literal["session", "key", "tasks"]
    id: str = ""
    """The session id or key id; empty for the tasks of an owner."""

    def digest(self, id_: str = "") -> str:
        """Return the digest that stands for an id of this scope, or for the scope itself, in Redis names."""
        return names.digest(self.owner, self.kind, self.id, id_)


def pending_name(scope: Scope, id_json: str) -> str:
    """Return the name in Redis that exists while a registered request is pending."""
    return names.PENDING_REQUESTS + scope.digest(id_json)


class RecordCost(msgspec.Struct, frozen=True):
    """The records of a result, to be consumed from the limits of the key of its call."""

    key_id: str
    records: int


class Lookup(msgspec.Struct, frozen=True):
    """A question to Redis."""

    kind: Literal["request", "task", "owner", "records"]
    """`request`: which request has this id; `task`: which call created this task; `owner`: is the task the owner's;
    `records`: may the result with this id be sent, after its `cost` was consumed."""
    id: str
    is_own: bool = False
    """True if only the request registered for this very exchange is meant, no other with the same id."""
    cost: RecordCost | None = None


class LookupResult(msgspec.Struct, frozen=True):
    """The state of a response.

    `taken`: it was not counted before, and the asking worker counts it now. `counted`: another worker has counted or
    is counting it. `unknown`: no request is registered. `foreign`: the task belongs to another owner. `consumed`: its
    records are consumed. `exceeded`: they exceed the limit, see `deny`.
    """

    state: Literal["taken", "counted", "unknown", "foreign", "consumed", "exceeded"]
    request: RegisteredRequest | None = None
    is_certain: bool = False
    """True if the response can belong to no other request."""
    deny: Deny | None = None


UNKNOWN = LookupResult("unknown")
FOREIGN = LookupResult("foreign")
