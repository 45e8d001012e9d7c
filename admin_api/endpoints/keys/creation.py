"""Create and rotate keys. The secret of a key is only in these responses.

A creation that is repeated with the same `Idempotency-Key` makes one key; only the first response has its secret.
"""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import accessible_key, actor, enabled_owner, revoked, suspend_if_disabled
from admin_api.endpoints.keys.models import CreatedKey, CreateKey, ReplayedKey, RotateKey, expiry
from admin_api.http.decoding import FieldFault
from admin_api.http.endpoint import ApiCaller, Endpoint, OtherResponse, Reply
from admin_api.http.problem import Problem
from admin_api.http.request_headers import IDEMPOTENCY_KEY, ONCE, idempotency_key
from gateway.keys.listing import public_fields
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.storage.creations import IdempotencyKey
from gateway.keys.storage.stored_key import MarkerExists


async def create_key(deps: Dependencies, caller: ApiCaller, params: CreateKey) -> CreatedKey | Reply:
    """Create a key for the caller or, by an admin, for another user."""
    fields = params.set_fields()
    text = idempotency_key(caller.client.headers)
    once = None if text is None else IdempotencyKey.of(caller.user.email, text, fields)
    if once is not None and (replayed := await _replayed(deps, once)):
        return replayed
    owner = await _owner(deps, caller, fields.pop("owner", None))
    if "expires_days" in fields:
        fields["expires_at"] = expiry(deps.now_ms(), fields.pop("expires_days"))
    await deps.creation_limits.acquire(caller.user.email, "keys")
    try:
        record, key = await deps.keys.create(owner=owner, actor=actor(caller), once=once, **fields)
    except MarkerExists:
        if once is None or not (replayed := await _replayed(deps, once)):
            raise
        return replayed
    await suspend_if_disabled(deps, record.owner)
    return _created(record, key)


async def _replayed(deps: Dependencies, once: IdempotencyKey) -> Reply | None:
    """Return the response to a repeated request. Raises `Problem` 409 if its body is another one."""
    before = await deps.keys.created(once)
    if before is None:
        return None
    if before.request != once.request:
        fault = FieldFault(IDEMPOTENCY_KEY, "was used for another request")
        raise Problem(409, f"{IDEMPOTENCY_KEY} was used in the last 24 hours for another request.", errors=[fault])
    record = await deps.keys.get(before.key_id)
    if record is None:
        return None
    return Reply(ReplayedKey(**public_fields(record)), status=200)


async def _owner(deps: Dependencies, caller: ApiCaller, email: str | None) -> str:
    if email is None or email.strip().casefold() == caller.user.email:
        return caller.user.email
    if not caller.user.is_admin:
        raise Problem(403, "Only an admin may create keys for others: leave out owner.")
    return await enabled_owner(deps, email)


async def rotate_key(deps: Dependencies, caller: ApiCaller, params: RotateKey) -> CreatedKey:
    """Give a key a new secret."""
    before = await accessible_key(deps, caller, params.key_id)
    if before.status(deps.now_ms()) == "expired":
        raise Problem(409, "This key has expired. Set a new expiry with /api/mcp-keys/update first.")
    rotated = await deps.keys.rotate(before.key_id, params.overlap_seconds)
    if rotated is None:
        raise revoked()
    record, key = rotated
    return _created(record, key)


def _created(record: KeyRecord, key: ApiKey) -> CreatedKey:
    return CreatedKey(**public_fields(record), api_key=key.text)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/create",
        summary="Create a key, by an admin also for another user; its secret is shown only once",
        access="member",
        params=CreateKey,
        handler=create_key,
        response=CreatedKey,
        request_example=examples.CREATE,
        response_example=examples.CREATED,
        status=201,
        errors=(403, 409, 429),
        request_headers=(ONCE,),
        other_response=OtherResponse(200, ReplayedKey, examples.REPLAYED),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/rotate",
        summary="Give a key a new secret; the old one works until the overlap ends",
        access="member",
        params=RotateKey,
        handler=rotate_key,
        response=CreatedKey,
        request_example=examples.ROTATE,
        response_example=examples.CREATED,
        errors=(404, 409),
    ),
)
