"""Counts of refused requests stay bounded, whatever clients invent, and no request is missing in their sums."""

from __future__ import annotations

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.rejections import Deny, forbidden
from gateway.proxy.denials.counts import MAX_COUNTS, MAX_UNLISTED_TOOLS, OTHER_TOOLS, DenialCounts
from tests.proxy.denials.support import sums
from tests.support.io_libraries import io_libraries_of

REFUSED = forbidden("no", "tool")
LIMITED = Deny(status=429, code=0, message="wait", reason="rate")


def key(key_id: str = "key_1", owner: str = "ann@example.com") -> KeyRecord:
    return KeyRecord(key_id=key_id, key_name="k", key_prefix="sk-abc", owner=owner, created_at=0)


def counts() -> DenialCounts:
    """Counts of an upstream that has listed `run_sql`."""
    return DenialCounts(lambda tool: tool == "run_sql")


def test_equal_requests_are_one_count_with_the_time_of_the_last() -> None:
    made = counts()
    for now_ms in (1000, 2000, 3000):
        made.add(key(), "run_sql", REFUSED, now_ms)
    (count,) = made.take("gateway-1")
    assert (count.key_id, count.owner, count.tool_name) == ("key_1", "ann@example.com", "run_sql")
    assert (count.status, count.reason, count.count) == (403, "tool", 3)
    assert (count.created_at, count.gateway_id) == (3000, "gateway-1")


def test_requests_that_differ_in_anything_are_counted_apart() -> None:
    made = counts()
    made.add(key(), "run_sql", REFUSED, 0)
    made.add(key(), "run_sql", LIMITED, 0)
    made.add(key(), "run_sql", forbidden("no", "table"), 0)
    made.add(key(), "", REFUSED, 0)
    made.add(key("key_2"), "run_sql", REFUSED, 0)
    made.add(key(owner="bob@example.com"), "run_sql", REFUSED, 0)
    made.add(None, "", LIMITED, 0)
    taken = made.take("g")
    assert [count.count for count in taken] == [1] * 7
    assert len({count.id for count in taken}) == 7


def test_taken_counts_start_again_from_zero() -> None:
    made = counts()
    made.add(key(), "run_sql", REFUSED, 0)
    made.take("g")
    assert made.take("g") == ()
    made.add(key(), "run_sql", REFUSED, 0)
    assert [count.count for count in made.take("g")] == [1]


def test_of_invented_tools_a_bounded_number_has_a_name_and_the_others_share_one() -> None:
    made = counts()
    for number in range(50_000):
        made.add(key(), f"invented_{number}", REFUSED, 0)
    made.add(key(), "run_sql", REFUSED, 0)
    taken = made.take("g")
    assert len(taken) == MAX_UNLISTED_TOOLS + 2
    assert sums(list(taken))[OTHER_TOOLS, 403, "tool"] == 50_000 - MAX_UNLISTED_TOOLS
    assert sums(list(taken))["run_sql", 403, "tool"] == 1


def test_the_number_of_invented_tools_is_bounded_for_the_life_of_a_worker() -> None:
    made = counts()
    for number in range(MAX_UNLISTED_TOOLS):
        made.add(key(), f"invented_{number}", REFUSED, 0)
    made.take("g")
    made.add(key(), "invented_0", REFUSED, 0)
    made.add(key(), "one_more", REFUSED, 0)
    assert [count.tool_name for count in made.take("g")] == ["invented_0", OTHER_TOOLS]


def test_beyond_the_bound_requests_are_counted_without_key_and_tool() -> None:
    made = counts()
    for number in range(MAX_COUNTS + 500):
        made.add(key(f"key_{number}"), "run_sql", REFUSED, 0)
    assert made.is_full
    made.add(key("key_1"), "run_sql", REFUSED, 0)
    taken = made.take("g")
    assert sum(count.count for count in taken) == MAX_COUNTS + 501
    (beyond,) = [count for count in taken if not count.key_id]
    assert (beyond.owner, beyond.tool_name, beyond.reason, beyond.count) == ("", OTHER_TOOLS, "tool", 500)
    assert not made.is_full


def test_names_of_tools_are_cut_and_made_valid_text() -> None:
    made = counts()
    made.add(key(), "\ud800" + "x" * 5000, REFUSED, 0)
    (count,) = made.take("g")
    assert count.tool_name == "?" + "x" * 255


def test_counting_loads_no_io_library() -> None:
    assert io_libraries_of("gateway.proxy.denials.counts") == set()
