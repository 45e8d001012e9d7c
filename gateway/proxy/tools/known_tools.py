"""The rules by which `tools/list` results change the catalog of tools.

A tool must not stay read-only for the gateway if it no longer is for the upstream:

- A list counts for every key. A declaration in it replaces the one before.
- A tool that is missing from the whole list is removed. A list may have several pages: one of them removes nothing;
  the last one removes the tools that were known when the first one passed, and that no page had.
- A page that cannot be read whole counts as the whole list.
- A list can be older than it seems: it was on its way while another passed, or its stream was resumed. So one that was
  requested before a tool last ceased to be read-only adds and changes nothing; it may only take away.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from hashlib import blake2b

import msgspec

from gateway.metering.tool_declarations import MAX_TOOLS, ToolList


class KnownTool(msgspec.Struct, frozen=True):
    """A tool that a list has declared."""

    digest: bytes
    """Of its schemas."""
    is_read_only: bool


class ToolListing(msgspec.Struct, frozen=True):
    """A `tools/list` result that passes."""

    page: ToolList
    tools: dict[str, KnownTool]
    """The tools of the page."""
    cursor: str | None
    """A digest of the cursor that was requested; empty for the first page, `None` if the request may have selected
    tools in another way."""
    requested_at: int
    """Milliseconds since the epoch."""
    passed_at: int


class Changes(msgspec.Struct, frozen=True):
    """The changes that a list makes."""

    declared: dict[str, KnownTool]
    removed: frozenset[str]
    narrowed_at: int
    """The last time at which a tool ceased to be read-only, in milliseconds since the epoch."""

    def __bool__(self) -> bool:
        return bool(self.declared or self.removed)


class KnownTools(msgspec.Struct, frozen=True):
    """The tools of one upstream."""

    tools: dict[str, KnownTool] = {}
    narrowed_at: int = 0
    """The last time at which a tool ceased to be read-only, in milliseconds since the epoch."""

    def changes(self, listing: ToolListing, missing: AbstractSet[str]) -> Changes:
        """Return the changes that a list makes; `missing` are the tools that are missing from the whole list."""
        removed = missing & self.tools.keys()
        free = MAX_TOOLS - len(self.tools) + len(removed)
        is_narrowed = any(self.tools[name].is_read_only for name in removed)
        declared: dict[str, KnownTool] = {}
        for name, tool in listing.tools.items():
            known = self.tools.get(name)
            if known == tool:
                continue
            if known is not None and known.is_read_only and not tool.is_read_only:
                is_narrowed = True
            elif listing.requested_at < self.narrowed_at or (known is None and free <= 0):
                continue
            free -= known is None
            declared[name] = tool
        narrowed_at = max(self.narrowed_at, listing.passed_at) if is_narrowed else self.narrowed_at
        return Changes(declared, frozenset(removed), narrowed_at)

    def after(self, changes: Changes) -> KnownTools:
        """Return the tools after changes."""
        kept = {name: tool for name, tool in self.tools.items() if name not in changes.removed}
        return KnownTools({**kept, **changes.declared}, changes.narrowed_at)

    def missing_from(self, listing: ToolListing) -> AbstractSet[str]:
        """Return the tools that are missing from the whole list, as far as this page alone shows."""
        is_whole = listing.cursor == "" and not listing.page.next_cursor
        return self.tools.keys() - listing.tools.keys() if is_whole or listing.page.is_cut else frozenset()


def cursor_digest(cursor: str) -> str:
    """Return the digest that stands for a cursor; empty for the first page."""
    return digest(cursor.encode("utf-8", "surrogatepass")).hex() if cursor else ""


def digest(data: bytes) -> bytes:
    """Return a digest to recognise equal data."""
    return blake2b(data, digest_size=16).digest()
