"""The counts of refused requests in one worker, until they are sent.

- Requests are counted by key, owner, tool, status and reason. Beyond `MAX_COUNTS` distinct ones, further requests are
  counted by status and reason only, so none is missing in the sums.
- A client can invent names of tools. Those that the upstream has listed are kept; of the others, the first
  `MAX_UNLISTED_TOOLS` in the life of the worker. Further ones are counted as `OTHER_TOOLS`.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.admitted_request import stored_text
from gateway.proxy.admission.rejections import Deny
from gateway.usage.denial_count import DenialCount
from gateway.uuid7 import new_uuid7

MAX_COUNTS = 2000
MAX_UNLISTED_TOOLS = 64
OTHER_TOOLS = "(other)"


_Kind = tuple[str, str, str, int, str]
"""Key id, owner, tool, status and reason: the requests with the same are counted together."""


class _Count:
    __slots__ = ("count", "last_ms")

    def __init__(self) -> None:
        self.count = 0
        self.last_ms = 0


class DenialCounts:
    """Counts refused requests."""

    def __init__(self, is_listed: Callable[[str], bool]) -> None:
        """`is_listed` says of the name of a tool if the upstream has listed it."""
        self._is_listed = is_listed
        self._unlisted: set[str] = set()
        self._counts: dict[_Kind, _Count] = {}

    @property
    def is_full(self) -> bool:
        """True if there is no room for further keys and tools."""
        return len(self._counts) >= MAX_COUNTS

    def add(self, key: KeyRecord | None, tool: str, deny: Deny, now_ms: int) -> None:
        """Count a request of a key, `None` for one without a valid key. `tool` is empty if it calls no tool."""
        key_id, owner = ("", "") if key is None else (key.key_id, key.owner)
        count = self._counts.get((key_id, owner, tool, deny.status, deny.reason))
        if count is None:
            kind: _Kind = key_id, owner, self._bounded(tool), deny.status, deny.reason
            if self.is_full and kind not in self._counts:
                kind = "", "", OTHER_TOOLS, deny.status, deny.reason
            count = self._counts.setdefault(kind, _Count())
        count.count += 1
        count.last_ms = now_ms

    def take(self, gateway_id: str) -> tuple[DenialCount, ...]:
        """Return the counts and start again from zero."""
        counts, self._counts = self._counts, {}
        return tuple(
            DenialCount(
                id=new_uuid7(count.last_ms),
                created_at=count.last_ms,
                owner=owner,
                key_id=key_id,
                tool_name=tool,
                status=status,
                reason=reason,
                count=count.count,
                gateway_id=gateway_id,
            )
            for (key_id, owner, tool, status, reason), count in counts.items()
        )

    def _bounded(self, tool: str) -> str:
        """Return the name under which a tool is counted. Lone surrogates, which JSON allows, are replaced by `?`."""
        if not tool:
            return ""
        name = stored_text(tool).encode("utf-8", "replace").decode()
        if self._is_listed(tool) or name in self._unlisted:
            return name
        if len(self._unlisted) >= MAX_UNLISTED_TOOLS:
            return OTHER_TOOLS
        self._unlisted.add(name)
        return name
