"""API keys: suspend and resume.

- A suspended key stays revoked or expired if it is; updating and rotating leave it suspended.
- Only an admin resumes what an admin suspended, and only enabling a disabled owner resumes the owner's keys.
"""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import actor, changeable_key, not_found
from admin_api.endpoints.keys.models import KeyStatus, ResumeKey, SuspendKey
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.problem import Problem
from gateway.keys.changes import OwnerDisabled, SuspendedByAdmin
from gateway.keys.record import KeyRecord


async def suspend_key(deps: Dependencies, caller: ApiCaller, params: SuspendKey) -> KeyStatus:
    """Suspend a key until it is resumed."""
    before = await changeable_key(deps, caller, params.key_id)
    return _status(deps, before.key_id, await deps.keys.suspend(before.key_id, actor(caller)))


async def resume_key(deps: Dependencies, caller: ApiCaller, params: ResumeKey) -> KeyStatus:
    """End the suspension of a key."""
    before = await changeable_key(deps, caller, params.key_id)
    try:
        record = await deps.keys.resume(before.key_id, actor(caller))
    except SuspendedByAdmin:
        raise Problem(403, "An admin suspended this key, so only an admin may resume it.") from None
    except OwnerDisabled:
        raise Problem(409, "The owner of this key is disabled. Enable the user with /api/users/enable first.") from None
    return _status(deps, before.key_id, record)


def _status(deps: Dependencies, key_id: str, record: KeyRecord | None) -> KeyStatus:
    if record is None:
        raise not_found()
    return KeyStatus(key_id=key_id, status=record.status(deps.now_ms()))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/suspend",
        summary="Suspend a key until it is resumed; idempotent",
        access="member",
        params=SuspendKey,
        handler=suspend_key,
        response=KeyStatus,
        request_example=examples.SUSPEND,
        response_example=examples.SUSPENDED,
        errors=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/resume",
        summary="Resume a suspended key; only an admin resumes what an admin suspended; idempotent",
        access="member",
        params=ResumeKey,
        handler=resume_key,
        response=KeyStatus,
        request_example=examples.RESUME,
        response_example=examples.RESUMED,
        errors=(403, 404, 409),
    ),
)
