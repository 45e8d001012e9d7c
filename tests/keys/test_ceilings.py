"""Ceilings: whatever admins and owners do, a key never allows more than its ceiling."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import changes
from gateway.keys.ceilings import AboveCeiling, lifted, moved, narrowed, set_values
from gateway.keys.changes import Actor
from gateway.keys.record import KeyRecord, KeyRestrictions
from gateway.keys.validation import validate_fields
from gateway.proxy.admission.policy import check_address, check_tables, check_tool
from gateway.timestamps import DAY_MS, format_rfc3339

NOW = 1_800_000_000_000
OWNER = Actor("ada@example.com", is_admin=False)
ADMIN = Actor("root@example.com", is_admin=True)
OWNING_ADMIN = Actor("ada@example.com", is_admin=True)
KEY = KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-abc", owner="ada@example.com", created_at=0)
NUMBERS = (
    "rate_limit_per_minute",
    "records_per_day",
    "calls_per_day",
    "records_per_month",
    "calls_per_month",
    "max_concurrent",
)

globs = st.lists(st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]", "[", "]"]), min_size=1, max_size=4).map("".join)
tables = st.sampled_from(["a", "A", "b", "s.a", "ß", "SS"])
networks = st.one_of(
    st.builds(lambda low, size: str(IPv4Network((low, size), False)), st.integers(0, 63), st.integers(29, 32)),
    st.builds(lambda low, size: str(IPv6Network((low, size), False)), st.integers(0, 63), st.integers(125, 128)),
)
ADDRESSES = [str(kind(low)) for kind in (IPv4Address, IPv6Address) for low in range(0, 64, 3)]
TOOLS = ["".join(letters) for length in range(4) for letters in itertools.product("ab]", repeat=length)]
TABLES = ["a", "A", "b", "B", "S.A", "ss", "other"]

fields = st.fixed_dictionaries(
    {},
    optional={
        "expires_at": st.none() | st.integers(1, 6).map(lambda days: NOW + days * DAY_MS // 2),
        "allowed_tools": st.none() | st.lists(globs, max_size=2),
        "allowed_tables": st.none() | st.lists(tables, max_size=3),
        "allowed_ips": st.none() | st.lists(networks, max_size=3),
        "read_only": st.booleans(),
        "tool_rate_limits": st.none() | st.dictionaries(globs, st.integers(1, 3), max_size=2),
        **dict.fromkeys(NUMBERS, st.none() | st.integers(1, 4)),
    },
).map(validate_fields)


def is_within(key: KeyRecord, limit: KeyRecord) -> bool:
    """Return True if the key allows none of the samples that the limit does not allow."""
    for name in (*NUMBERS, "expires_at"):
        most, value = getattr(limit, name), getattr(key, name)
        if most is not None and (value is None or value > most):
            return False
    if limit.read_only and not key.read_only:
        return False
    rates = key.tool_rate_limits or {}
    if any(rates.get(glob, most + 1) > most for glob, most in (limit.tool_rate_limits or {}).items()):
        return False
    return (
        all(check_tool(limit, tool, bool) is None for tool in TOOLS if check_tool(key, tool, bool) is None)
        and all(check_tables(limit, (table,)) is None for table in TABLES if check_tables(key, (table,)) is None)
        and all(check_address(limit, one) is None for one in ADDRESSES if check_address(key, one) is None)
    )


@given(st.lists(st.tuples(st.sampled_from([OWNER, ADMIN]), fields), max_size=6))
def test_after_any_changes_a_key_allows_only_what_the_last_values_of_admins_allow(
    steps: list[tuple[Actor, dict[str, Any]]],
) -> None:
    key, by_admins = KEY, dict[str, Any]()
    for actor, values in steps:
        if actor is ADMIN:
            by_admins |= values
            key = changes.update(key, values, actor, NOW)
        else:
            with contextlib.suppress(AboveCeiling):
                key = changes.update(key, values, actor, NOW)
        assert is_within(key, msgspec.structs.replace(KEY, **by_admins))
    # An owner may always go back to the values of the admins.
    restored = changes.update(key, by_admins, OWNER, NOW)
    assert all(getattr(restored, name) == value for name, value in by_admins.items())


@given(st.lists(globs, min_size=1, max_size=2), globs)
def test_a_glob_within_the_ceiling_matches_only_names_that_the_ceiling_matches(outer: list[str], glob: str) -> None:
    with contextlib.suppress(AboveCeiling):
        narrowed(moved(None, {"allowed_tools": tuple(outer)}), {"allowed_tools": (glob,)}, NOW)
        matched = [tool for tool in TOOLS if fnmatchcase(tool, glob)]
        assert all(any(fnmatchcase(tool, one) for one in outer) for tool in matched)


@given(fields, fields)
def test_the_owner_may_do_anything_within_numbers_tables_and_networks(
    limits: dict[str, Any], values: dict[str, Any]
) -> None:
    limits.pop("allowed_tools", None)
    values.pop("allowed_tools", None)
    ceiling = moved(None, limits)
    try:
        result = narrowed(ceiling, values, NOW)
    except AboveCeiling as error:
        # Several networks of a ceiling that together contain one count as narrower.
        refused = {name: values[name] for name in error.problems if name != "allowed_ips"}
        for name, value in refused.items():
            limit = msgspec.structs.replace(KEY, **{name: limits[name]})
            assert not is_within(msgspec.structs.replace(KEY, **{name: value}), limit)
    else:
        assert result.keys() == values.keys()


@given(fields, fields)
def test_an_admin_who_owns_the_key_is_not_bound_and_sets_no_ceiling(
    limits: dict[str, Any], values: dict[str, Any]
) -> None:
    free = changes.update(KEY, values, OWNING_ADMIN, NOW)
    assert (free.ceiling, free) == (None, msgspec.structs.replace(KEY, **values))
    limited = changes.update(changes.update(KEY, limits, ADMIN, NOW), values, OWNING_ADMIN, NOW)
    assert all(getattr(limited, name) == value for name, value in values.items())
    if limited.ceiling is not None:
        assert all(getattr(limited.ceiling, name) is None or limits[name] is not None for name in limits)
    assert lifted(limited.ceiling, values) == limited.ceiling


@pytest.mark.parametrize(
    ("ceiling", "glob", "allowed"),
    [
        ("query_*", "query_*", True),
        ("query_*", "query_a", True),
        ("query_*", "query_a*", True),
        ("query_*", "query_[ab]", True),
        ("query_*", "query_", True),
        ("query_*", "query*", False),
        ("query_*", "*", False),
        ("query_*", "[q]uery_a", False),
        ("query_*", "Query_a", False),
        ("*", "anything*?", True),
        ("get", "get", True),
        ("get", "ge?", False),
        ("ge?", "get", True),
        ("ge?", "ge[t]", False),
        ("ge?", "ge*", False),
        ("g[e*]t", "g*t", False),
        ("a*b", "ab*", False),
        ("a*b", "axb", True),
        ("[ab]*", "[ab]*", True),
        ("[ab]*", "[a]*", False),
        ("[ab]*", "ax", True),
        ("[ab]*", "[ab]*x", False),
    ],
)
def test_a_glob_is_within_the_ceiling_if_one_glob_covers_it(ceiling: str, glob: str, allowed: bool) -> None:
    assert_allowed({"allowed_tools": (ceiling, "list")}, {"allowed_tools": ("list", glob)}, allowed)


@pytest.mark.parametrize(
    ("limit", "value", "allowed"),
    [
        ({"calls_per_day": 5}, {"calls_per_day": 5}, True),
        ({"calls_per_day": 5}, {"calls_per_day": 6}, False),
        ({"calls_per_day": 5}, {"calls_per_day": None}, False),
        ({"calls_per_day": 5}, {"records_per_day": None}, True),
        ({"calls_per_day": None}, {"calls_per_day": None}, True),
        ({"calls_per_month": 5}, {"calls_per_month": 6}, False),
        ({"records_per_month": 5}, {"records_per_month": 4}, True),
        ({"tool_rate_limits": {"a": 5, "b*": 6}}, {"tool_rate_limits": {"b*": 6, "a": 4}}, True),
        ({"tool_rate_limits": {"a": 5}}, {"tool_rate_limits": {"a": 5, "c": 100}}, True),
        ({"tool_rate_limits": {"a": 5}}, {"tool_rate_limits": {"a": 6}}, False),
        ({"tool_rate_limits": {"a": 5}}, {"tool_rate_limits": {"*": 1}}, False),
        ({"tool_rate_limits": {"a": 5, "b": 5}}, {"tool_rate_limits": {"a": 1}}, False),
        ({"tool_rate_limits": {"a": 5}}, {"tool_rate_limits": None}, False),
        ({"allowed_tables": ("Prices",)}, {"allowed_tables": ("pRICES",)}, True),
        ({"allowed_tables": ("prices",)}, {"allowed_tables": ("public.prices",)}, False),
        ({"allowed_tables": ()}, {"allowed_tables": ()}, True),
        ({"allowed_tables": ()}, {"allowed_tables": ("a",)}, False),
        ({"allowed_tools": ()}, {"allowed_tools": None}, False),
        ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("10.1.2.3", "10.2.0.0/16")}, True),
        ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("10.0.0.0/7",)}, False),
        ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("::ffff:10.0.0.1",)}, True),
        ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("::ffff:11.0.0.1",)}, False),
        ({"allowed_ips": ("::/0",)}, {"allowed_ips": ("::ffff:10.0.0.1",)}, False),
        ({"allowed_ips": ("0.0.0.0/0",)}, {"allowed_ips": ("::1",)}, False),
        ({"allowed_ips": ("2001:db8::/32",)}, {"allowed_ips": ("2001:db8::1",)}, True),
    ],
)
def test_a_value_must_be_within_the_ceiling(limit: dict[str, Any], value: dict[str, Any], allowed: bool) -> None:
    assert_allowed(limit, value, allowed)


def assert_allowed(limit: Mapping[str, Any], value: dict[str, Any], allowed: bool) -> None:
    ceiling = moved(None, limit)
    if allowed:
        assert narrowed(ceiling, value, NOW) == value
    else:
        with pytest.raises(AboveCeiling) as raised:
            narrowed(ceiling, value, NOW)
        assert set(raised.value.problems) == set(value)


def test_the_last_day_that_is_left_ends_at_the_end_that_the_admin_set() -> None:
    ceiling = KeyRestrictions(expires_at=NOW + 30 * DAY_MS)
    later = NOW + 3_600_000
    assert narrowed(ceiling, {"expires_at": later + 29 * DAY_MS}, later) == {"expires_at": later + 29 * DAY_MS}
    assert narrowed(ceiling, {"expires_at": later + 30 * DAY_MS}, later) == {"expires_at": ceiling.expires_at}
    with pytest.raises(AboveCeiling, match="expires_at must be at most 30: the key ends on "):
        narrowed(ceiling, {"expires_at": later + 31 * DAY_MS}, later)
    at_the_end = NOW + 30 * DAY_MS
    with pytest.raises(AboveCeiling, match="must not be changed: the key ended on " + format_rfc3339(at_the_end)):
        narrowed(ceiling, {"expires_at": at_the_end + DAY_MS}, at_the_end)


def test_every_problem_is_reported_with_the_largest_allowed_value() -> None:
    ceiling = KeyRestrictions(
        calls_per_day=5,
        allowed_tools=("query_*", "list"),
        allowed_ips=(),
        allowed_tables=("t",),
        tool_rate_limits={"a*": 5, "b": 6},
    )
    wider = {
        "calls_per_day": 6,
        "allowed_tools": None,
        "allowed_ips": ("::1",),
        "allowed_tables": ("u",),
        "tool_rate_limits": {"b": 6},
    }
    with pytest.raises(AboveCeiling) as raised:
        narrowed(ceiling, wider, NOW)
    assert raised.value.problems == {
        "calls_per_day": "must be at most 5",
        "allowed_tools": "must be covered by query_*, list",
        "allowed_ips": "must be within an empty list",
        "allowed_tables": "must be among t",
        "tool_rate_limits": "must have a* with at most 5, b with at most 6",
    }


def test_every_restriction_has_a_ceiling() -> None:
    values = {name: 1 if "_ips" not in name else ("::1",) for name in KeyRestrictions.__struct_fields__}
    assert set(set_values(moved(None, values))) == set(values)


def test_a_restriction_that_an_admin_removes_is_free() -> None:
    ceiling = moved(None, {"calls_per_day": 5, "records_per_day": 7, "key_name": "x"})
    assert ceiling == KeyRestrictions(calls_per_day=5, records_per_day=7)
    ceiling = moved(ceiling, {"calls_per_day": None})
    assert set_values(ceiling) == {"records_per_day": 7}
    assert moved(ceiling, {"records_per_day": None}) is None
