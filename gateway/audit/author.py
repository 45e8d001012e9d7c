"""The author of changes, for stores whose scripts add the entry of a change together with the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.audit.entry import Result, changed_fields, json_text, new_entry, pack

ADD_ENTRY_LUA = """
local function add_audit_entry(stream, packed)
  if packed ~= '' then redis.call('XADD', stream, '*', 'a', packed) end
end
"""
"""A Lua function that adds a packed entry to the usage stream; none if it is empty.

Call it where the script makes its change, and not where a repeated script finds the change made.
"""


COMMAND_LINE = "command line"
"""Recorded instead of a client address for commands."""


class Author(NamedTuple):
    """The person or program that makes a change."""

    actor: str
    """An email, or the user of the operating system."""
    address: str
    """The client address, or a name of the place such as `command line`."""


class Act(NamedTuple):
    """An act of an author, to be recorded."""

    author: Author
    name: str


def act_of(author: Author | None, name: str) -> Act | None:
    """Return an act; `None` without an author: then it is not recorded."""
    return None if author is None else Act(author, name)


def packed_change(
    act: Act | None, object_: str, before: Mapping[str, Any], after: Mapping[str, Any], now_ms: int
) -> bytes:
    """Return the packed entry of a change of `object_`; empty without an act or a difference."""
    changed = changed_fields(before, after)
    return packed_entry(act, object_, *changed, now_ms) if act is not None and any(changed) else b""


def packed_entry(
    act: Act, object_: str, before: Mapping[str, Any], after: Mapping[str, Any], now_ms: int, result: Result = "ok"
) -> bytes:
    """Return the packed entry of an act."""
    entry = new_entry(
        created_at=now_ms,
        actor=act.author.actor,
        act=act.name,
        object=object_,
        address=act.author.address,
        before=json_text(before),
        after=json_text(after),
        result=result,
    )
    return pack([entry])
