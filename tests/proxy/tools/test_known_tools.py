"""The rules by which `tools/list` results change the catalog of tools."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from hypothesis import given
from hypothesis import strategies as st

from gateway.metering.tool_declarations import MAX_TOOLS, ToolList
from gateway.proxy.tools.known_tools import KnownTool, KnownTools, ToolListing, cursor_digest

NONE: AbstractSet[str] = frozenset()


def tool(is_read_only: bool, version: int = 0) -> KnownTool:
    return KnownTool(b"%d %d" % (is_read_only, version), is_read_only)


READING, WRITING = tool(True), tool(False)


def listing(
    tools: dict[str, KnownTool],
    *,
    requested_at: int = 10,
    passed_at: int = 20,
    cursor: str | None = "",
    next_cursor: str = "",
    is_cut: bool = False,
) -> ToolListing:
    return ToolListing(ToolList(next_cursor=next_cursor, is_cut=is_cut), tools, cursor, requested_at, passed_at)


def after(known: KnownTools, one: ToolListing, missing: AbstractSet[str] | None = None) -> KnownTools:
    return known.after(known.changes(one, known.missing_from(one) if missing is None else missing))


def test_a_list_declares_tools_and_replaces_their_declarations() -> None:
    known = after(KnownTools(), listing({"a": READING, "b": WRITING}))
    assert known == KnownTools({"a": READING, "b": WRITING})
    again = after(known, listing({"a": tool(True, 1), "b": READING}))
    assert again == KnownTools({"a": tool(True, 1), "b": READING})
    assert not again.changes(listing({"a": tool(True, 1), "b": READING}), NONE)


def test_a_whole_list_removes_the_tools_that_it_does_not_have() -> None:
    known = KnownTools({"a": READING, "b": READING, "c": WRITING})
    assert after(known, listing({"a": READING})) == KnownTools({"a": READING}, narrowed_at=20)
    assert after(known, listing({})) == KnownTools(narrowed_at=20)


def test_one_of_several_pages_removes_nothing() -> None:
    known = KnownTools({"a": READING, "b": READING})
    for page in (
        listing({"a": READING}, next_cursor="x"),
        listing({"a": READING}, cursor="digest"),
        listing({"a": READING}, cursor="digest", next_cursor="x"),
        listing({"a": READING}, cursor=None),
    ):
        assert after(known, page) == known


def test_a_page_that_cannot_be_read_whole_counts_as_the_whole_list() -> None:
    known = KnownTools({"a": READING, "b": READING})
    for cursor, next_cursor in (("", ""), ("digest", "x"), (None, "")):
        cut = listing({"a": READING}, cursor=cursor, next_cursor=next_cursor, is_cut=True)
        assert after(known, cut) == KnownTools({"a": READING}, narrowed_at=20)


def test_the_time_of_narrowing_is_that_of_the_last_list_after_which_a_tool_was_no_longer_read_only() -> None:
    known = KnownTools({"a": READING, "b": WRITING})
    assert after(known, listing({"a": READING})).narrowed_at == 0
    assert after(known, listing({"a": WRITING, "b": WRITING})).narrowed_at == 20
    assert after(known, listing({"b": WRITING})).narrowed_at == 20
    assert after(KnownTools({"a": READING}, 30), listing({})).narrowed_at == 30


def test_a_list_requested_before_the_narrowing_only_takes_away() -> None:
    known = KnownTools({"a": WRITING, "b": READING, "c": READING, "d": READING}, narrowed_at=15)
    late = listing({"a": READING, "b": WRITING, "c": tool(True, 1), "e": READING, "f": WRITING}, requested_at=14)
    assert after(known, late) == KnownTools({"a": WRITING, "b": WRITING, "c": READING}, narrowed_at=20)
    in_time = listing({"a": READING, "b": READING, "c": READING, "d": READING, "e": READING}, requested_at=15)
    assert set(after(known, in_time).tools) == {"a", "b", "c", "d", "e"}


def test_the_number_of_tools_is_bounded_and_known_ones_still_change() -> None:
    known = KnownTools({f"t{number}": READING for number in range(MAX_TOOLS)})
    full = listing({"new": READING, "t0": WRITING}, next_cursor="x")
    assert known.changes(full, NONE).declared == {"t0": WRITING}
    assert known.changes(full, {"t1"}).declared == {"new": READING, "t0": WRITING}


def test_the_first_page_has_no_cursor() -> None:
    assert cursor_digest("") == ""
    assert len({cursor_digest(cursor) for cursor in ("a", "b", "\ud800", "A")}) == 4


declarations = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([READING, WRITING, tool(True, 1)]))


@given(st.lists(st.tuples(declarations, st.integers(0, 3), st.booleans()), max_size=8))
def test_after_any_lists_only_tools_that_the_last_one_calls_read_only_are(
    lists: list[tuple[dict[str, KnownTool], int, bool]],
) -> None:
    known = KnownTools()
    for time, (tools, delay, is_paginated) in enumerate(lists):
        last = listing(
            tools, requested_at=time - delay, passed_at=time, next_cursor="x" if is_paginated else "", cursor=""
        )
        before, known = known, after(known, last)
        for name, one in known.tools.items():
            if one.is_read_only:
                declared = tools.get(name)
                assert declared is None or declared.is_read_only
                assert declared is not None or (is_paginated and name in before.tools)
