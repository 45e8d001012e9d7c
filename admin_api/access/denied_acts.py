"""Recording of acts that a role or a rule denies to a logged-in user.

The number of such entries is bounded for each user (`AuditLog.record_repeatable`).
"""

from __future__ import annotations

import msgspec

from admin_api.dependencies import Dependencies
from gateway.audit.author import Author

_GROUPS = {"mcp-keys": "key", "mcp-usage": "usage", "users": "user"}
"""The first part of an act, where it differs from that of the path."""
_OBJECT_FIELDS = ("key_id", "email", "owner")


async def record_denied(
    deps: Dependencies, author: Author, path: str, reason: str, params: msgspec.Struct | None = None
) -> None:
    """Record that the author was denied a request. Its object is what `params` name, or else the path."""
    named = (getattr(params, name, None) for name in _OBJECT_FIELDS)
    object_ = next((value for value in named if value), path)
    details = {"reason": reason}
    await deps.audit.record_repeatable(author.actor, act_of_path(path), str(object_), after=details, result="denied")


def act_of_path(path: str) -> str:
    """Return the act of an endpoint, such as `key.bulk_revoke` for `/api/mcp-keys/bulk-revoke`."""
    _, _, group, *names = path.split("/")
    return f"{_GROUPS.get(group, group)}.{'_'.join(names).replace('-', '_') or 'read'}"
