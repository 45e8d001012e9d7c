"""The tasks that calls create: a result that names a task is no result yet; that of the task completes the call.

Imports no I/O library and does no I/O.
"""

from __future__ import annotations

import msgspec

from gateway.proxy.accounting.correlation_models import RegisteredRequest
from gateway.proxy.accounting.response_decoder import ResultMembers, decode_result

MAX_TASK_ID = 1024
_TASK_SECONDS = 24 * 3600
"""Maximum seconds that a task is kept; also used if it does not state its lifetime."""
_TASK_GRACE = 60
"""Seconds that a task is kept beyond its lifetime, for a response on its way."""


class CreatedTask(msgspec.Struct, frozen=True):
    """A task created by a call; it must be registered before the client sees its id."""

    id: str
    seconds: int
    created_by: RegisteredRequest


def task_in(members: ResultMembers) -> tuple[str, int] | None:
    """Return the id and the seconds to keep the task that a result stands for; `None` if it is no task."""
    if members.result_type == "task":
        state, life_ms = members, members.ttl_ms
    elif members.task and not members.is_tool_result and (state := decode_result(members.task)).task_id:
        life_ms = state.ttl
    else:
        return None
    seconds = _TASK_SECONDS if life_ms is None else min(_TASK_SECONDS, max(0, int(life_ms / 1000)) + _TASK_GRACE)
    return state.task_id if len(state.task_id) <= MAX_TASK_ID else "", seconds
