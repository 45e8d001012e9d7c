"""Changes of a key: who may make them, what they leave alone, and what the policy of the owner bounds."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import changes
from gateway.keys.changes import OPERATOR, Actor, BeyondPolicy, OwnerDisabled, SuspendedByAdmin
from gateway.keys.record import KeyDefaults, KeyRecord, KeyRestrictions, OwnerPolicy

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


DAY = 86_400_000


def test_a_transferred_key_has_the_owner_and_the_policy_of_the_owner_and_differs_in_nothing_else() -> None:
    key = msgspec.structs.replace(
        KEY, ceiling=KeyRestrictions(calls_per_day=5), suspended_at=3, suspended_by="owner", owner_disabled_at=4
    )
    policy = OwnerPolicy(calls_per_day=7)
    transferred = changes.transfer(key, "bob@example.com", policy)
    assert transferred == msgspec.structs.replace(
        key, owner="bob@example.com", owner_policy=policy, owner_disabled_at=None
    )
    assert changes.transfer(key, KEY.owner, policy) == key


def test_a_new_key_has_the_defaults_for_what_is_left_out_and_nothing_else() -> None:
    defaults = KeyDefaults(calls_per_day=5, allowed_tools=("get_*",), read_only=True, expires_days=3)
    policy = OwnerPolicy(defaults=defaults, records_per_day=9)
    assert changes.new_fields("ada", policy, {"key_name": "x"}, 10) == {
        "key_name": "x",
        "calls_per_day": 5,
        "allowed_tools": ("get_*",),
        "read_only": True,
        "expires_at": 10 + 3 * DAY,
    }
    given = {"key_name": "x", "calls_per_day": None, "allowed_tools": (), "read_only": False, "expires_at": None}
    assert changes.new_fields("ada", policy, given, 10) == given
    assert changes.new_fields("ada", None, {"key_name": "x"}, 10) == {"key_name": "x"}


@pytest.mark.parametrize(
    ("policy", "days"),
    [
        (OwnerPolicy(), None),
        (OwnerPolicy(max_key_days=5), 5),
        (OwnerPolicy(max_key_days=5, defaults=KeyDefaults(expires_days=3)), 3),
        (OwnerPolicy(max_key_days=3, defaults=KeyDefaults(expires_days=5)), 3),
    ],
)
def test_the_life_of_a_new_key_is_the_default_and_at_most_that_of_the_policy(
    policy: OwnerPolicy, days: int | None
) -> None:
    fields = changes.new_fields("ada", policy, {}, 10)
    assert fields.get("expires_at") == (None if days is None else 10 + days * DAY)


@pytest.mark.parametrize("actor", [OWNER, ADMIN, OPERATOR])
@pytest.mark.parametrize(("end", "is_allowed"), [(10 + 5 * DAY, True), (11 + 5 * DAY, False), (None, False)])
def test_the_policy_bounds_the_end_of_a_key_for_everybody(actor: Actor, end: int | None, is_allowed: bool) -> None:
    policy = OwnerPolicy(max_key_days=5)
    key = msgspec.structs.replace(KEY, owner_policy=policy)
    if is_allowed:
        assert changes.update(key, {"expires_at": end}, actor, 10).expires_at == end
        assert changes.new_fields(KEY.owner, policy, {"expires_at": end}, 10) == {"expires_at": end}
        return
    message = "expires_days must be at most 5, the max_key_days of ada@example.com"
    with pytest.raises(BeyondPolicy, match=message):
        changes.update(key, {"expires_at": end}, actor, 10)
    with pytest.raises(BeyondPolicy, match=message):
        changes.new_fields(KEY.owner, policy, {"expires_at": end}, 10)
    assert changes.update(key, {"key_name": "new"}, actor, 10).key_name == "new"


def test_the_values_of_an_earlier_version_are_no_ceiling_and_are_kept() -> None:
    old = b"""{"key_id":"key_1","key_name":"k","key_prefix":"sk-abc","owner":"ada@example.com","created_at":0,
        "calls_per_day":5}"""
    record = msgspec.json.decode(old, type=KeyRecord)
    assert record == KEY
    assert msgspec.json.decode(msgspec.json.encode(record), type=KeyRecord) == KEY
    assert changes.update(record, {"calls_per_day": None}, OWNER, 0).calls_per_day is None
