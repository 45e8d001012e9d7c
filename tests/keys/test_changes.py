"""Suspending and resuming a key: who may do it, and what it leaves alone."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import changes
from gateway.keys.changes import OPERATOR, Actor, OwnerDisabled, SuspendedByAdmin
from gateway.keys.record import KeyRecord, KeyRestrictions

KEY = KeyRecord(
    key_id="key_1", key_name="k", key_prefix="sk-abc", owner="ada@example.com", created_at=0, calls_per_day=5
)
OWNER = Actor("ada@example.com", is_admin=False)
ADMIN = Actor("root@example.com", is_admin=True)
OWNING_ADMIN = Actor("ada@example.com", is_admin=True)


def test_a_suspended_key_differs_in_nothing_else_and_is_as_before_when_it_is_resumed() -> None:
    suspended = changes.suspend(KEY, OWNER, 10)
    assert suspended == msgspec.structs.replace(KEY, suspended_at=10, suspended_by="owner")
    assert suspended.status(20) == "suspended"
    assert changes.suspend(suspended, OWNER, 20) == suspended
    assert changes.resume(suspended, OWNER) == KEY
    assert changes.resume(KEY, OWNER) == KEY


@pytest.mark.parametrize("admin", [ADMIN, OPERATOR])
def test_only_an_admin_resumes_what_an_admin_suspended(admin: Actor) -> None:
    suspended = changes.suspend(changes.suspend(KEY, OWNER, 10), admin, 20)
    assert (suspended.suspended_at, suspended.suspended_by) == (20, "admin")
    assert changes.suspend(suspended, OWNER, 30) == suspended
    with pytest.raises(SuspendedByAdmin):
        changes.resume(suspended, OWNER)
    assert changes.resume(suspended, ADMIN) == KEY
    assert changes.resume(suspended, OWNING_ADMIN) == KEY
    assert changes.resume(changes.suspend(KEY, OWNER, 10), admin) == KEY


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "suspended"),
        ({"expires_at": 50}, "suspended"),
        ({"expires_at": 20}, "expired"),
        ({"revoked_at": 1}, "revoked"),
        ({"revoked_at": 1, "expires_at": 20}, "revoked"),
    ],
)
def test_a_key_that_has_ended_stays_so_while_it_is_suspended(fields: dict[str, int], status: str) -> None:
    key = msgspec.structs.replace(KEY, **fields)
    assert changes.suspend(key, OWNER, 10).status(20) == status
    assert changes.disable_owner(key, 10).status(20) == status


step = st.sampled_from(["owner suspends", "owner resumes", "admin suspends", "admin resumes", "disabled", "enabled"])


@given(st.lists(step, max_size=12))
def test_each_suspension_ends_only_by_its_own_counterpart(steps: list[str]) -> None:
    key, reasons = KEY, set[str]()
    for name in steps:
        match name:
            case "owner suspends":
                key = changes.suspend(key, OWNER, 10)
                reasons |= set() if "admin" in reasons else {"owner"}
            case "admin suspends":
                key = changes.suspend(key, ADMIN, 10)
                reasons = (reasons - {"owner"}) | {"admin"}
            case "owner resumes" | "admin resumes" if "disabled" in reasons:
                with pytest.raises(OwnerDisabled):
                    changes.resume(key, ADMIN if name == "admin resumes" else OWNER)
            case "owner resumes":
                if "admin" in reasons:
                    with pytest.raises(SuspendedByAdmin):
                        changes.resume(key, OWNER)
                else:
                    key = changes.resume(key, OWNER)
                    reasons.discard("owner")
            case "admin resumes":
                key = changes.resume(key, ADMIN)
                reasons -= {"owner", "admin"}
            case "disabled":
                key = changes.disable_owner(key, 10)
                reasons.add("disabled")
            case _:
                key = changes.enable_owner(key)
                reasons.discard("disabled")
        assert (key.status(20) == "suspended") == bool(reasons)
    assert changes.resume(changes.enable_owner(key), ADMIN) == KEY


def test_the_ceiling_of_a_new_key_is_what_an_admin_sets_for_somebody_else() -> None:
    fields = {"key_name": "x", "calls_per_day": 5, "labels": {}, "records_per_day": None}
    for admin in (ADMIN, OPERATOR):
        assert changes.initial_ceiling(KEY.owner, fields, admin) == KeyRestrictions(calls_per_day=5)
        assert changes.initial_ceiling(KEY.owner, {"key_name": "x"}, admin) is None
    for owner in (OWNER, OWNING_ADMIN):
        assert changes.initial_ceiling(KEY.owner, fields, owner) is None


def test_the_values_of_an_earlier_version_are_no_ceiling_and_are_kept() -> None:
    old = b"""{"key_id":"key_1","key_name":"k","key_prefix":"sk-abc","owner":"ada@example.com","created_at":0,
        "calls_per_day":5}"""
    record = msgspec.json.decode(old, type=KeyRecord)
    assert record == KEY
    assert msgspec.json.decode(msgspec.json.encode(record), type=KeyRecord) == KEY
    assert changes.update(record, {"calls_per_day": None}, OWNER, 0).calls_per_day is None
