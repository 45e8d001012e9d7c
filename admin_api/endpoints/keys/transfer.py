"""Transfer keys to other owners, for admins.

- The key's sessions, which belong to its former owner, end for it, and so do its open streams.
- Its ceiling and its own counts go with it; past usage stays with its former owner.
"""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import changeable_key, enabled_owner, revoked, suspend_if_disabled
from admin_api.endpoints.keys.models import TransferKey, TransferredKey
from admin_api.http.endpoint import ApiCaller, Endpoint


async def transfer_key(deps: Dependencies, caller: ApiCaller, params: TransferKey) -> TransferredKey:
    """Give a key to another owner."""
    before = await changeable_key(deps, caller, params.key_id)
    owner = await enabled_owner(deps, params.owner)
    record = await deps.keys.transfer(before.key_id, owner)
    if record is None:
        raise revoked()
    await suspend_if_disabled(deps, owner)
    return TransferredKey(key_id=record.key_id, owner=record.owner, status=record.status(deps.now_ms()))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/transfer",
        summary="Give a key to another owner; its sessions end",
        access="admin",
        params=TransferKey,
        handler=transfer_key,
        response=TransferredKey,
        request_example=examples.TRANSFER,
        response_example=examples.TRANSFERRED,
        errors=(404, 409),
    ),
)
