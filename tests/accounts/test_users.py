"""Users in Redis."""

from __future__ import annotations

import asyncio
import json

import pytest
import redis.asyncio

from gateway.accounts.passwords import Passwords
from gateway.accounts.users import LastAdmin, UserExists, UserStore
from gateway.keys.policies import PolicyStore
from gateway.keys.record import OwnerPolicy
from gateway.keys.store import KeyStore
from gateway.redis.names import USER_RECORD
from tests.support.admin_api import PASSWORD, USER
from tests.support.clock import Clock
from tests.support.passwords import CountingHasher


@pytest.fixture
def users(redis: redis.asyncio.Redis, clock: Clock, cheap_passwords: Passwords) -> UserStore:
    return UserStore(redis, now_ms=clock.now_ms, passwords=cheap_passwords)


async def test_emails_are_case_insensitive(users: UserStore) -> None:
    user = await users.add("Ada@Example.COM ", PASSWORD)
    assert user.email == USER
    assert await users.get("ADA@example.com") == user
    assert await users.authenticate("aDa@example.com", PASSWORD) == user
    with pytest.raises(UserExists):
        await users.add(USER, PASSWORD)


async def test_of_concurrent_additions_of_one_email_one_succeeds(users: UserStore) -> None:
    outcomes = await asyncio.gather(*(users.add(USER, PASSWORD) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(outcome, UserExists) for outcome in outcomes) == 1


async def test_of_concurrent_first_users_one_is_added(users: UserStore) -> None:
    emails = [f"root{number}@example.com" for number in range(5)]
    outcomes = await asyncio.gather(
        *(users.add(email, PASSWORD, "admin", only_if_empty=True) for email in emails), return_exceptions=True
    )
    assert sum(not isinstance(outcome, UserExists) for outcome in outcomes) == 1
    assert len(await users.list()) == 1


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.com", "ada@", "a da@example.com", "a@b@c", "ada@example.com\x00", "a" * 250 + "@b.c"]
)
async def test_an_invalid_email_is_rejected(users: UserStore, email: str) -> None:
    with pytest.raises(ValueError, match="email"):
        await users.add(email, PASSWORD)
    assert await users.get(email) is None
    assert await users.disable(email) is None


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1025])
async def test_a_too_short_or_too_long_password_is_rejected(users: UserStore, password: str) -> None:
    with pytest.raises(ValueError, match="10 to 1024"):
        await users.add(USER, password)


async def test_passwords_are_not_stored(users: UserStore, redis: redis.asyncio.Redis) -> None:
    user = await users.add(USER, PASSWORD)
    for name in await redis.keys("*"):
        if await redis.type(name) == b"string":
            assert PASSWORD.encode() not in (await redis.get(name) or b"")
    assert user.password_hash not in repr(user)


async def test_users_are_listed_by_email(users: UserStore) -> None:
    assert list(await users.list()) == []
    for email in ("c@x.org", "a@x.org", "b@x.org"):
        await users.add(email, PASSWORD)
    assert [user.email for user in await users.list()] == ["a@x.org", "b@x.org", "c@x.org"]


async def test_a_disabled_user_cannot_log_in(users: UserStore) -> None:
    await users.add(USER, PASSWORD)
    disabled = await users.disable(USER)
    assert disabled is not None
    assert disabled.disabled
    assert await users.authenticate(USER, PASSWORD) is None


async def test_a_new_password_replaces_the_old_one_and_is_dated_later(users: UserStore) -> None:
    before = await users.add(USER, PASSWORD)
    first = await users.set_password(USER, "the second one")
    second = await users.set_password(USER, "the third one")
    assert first is not None
    assert second is not None
    assert before.password_changed_at < first.password_changed_at < second.password_changed_at
    assert await users.authenticate(USER, PASSWORD) is None
    assert await users.authenticate(USER, "the third one") == second
    assert await users.set_password("nobody@example.com", PASSWORD) is None


async def test_concurrent_changes_are_all_kept(users: UserStore) -> None:
    await users.add(USER, PASSWORD)
    await asyncio.gather(users.set_password(USER, "the second one"), users.disable(USER))
    user = await users.get(USER)
    assert user is not None
    assert user.disabled
    assert (await users.passwords.verify(user.password_hash, "the second one")).matches


async def test_a_login_rehashes_an_outdated_hash_and_keeps_tokens_valid(
    users: UserStore, redis: redis.asyncio.Redis, clock: Clock
) -> None:
    old = await users.add(USER, PASSWORD)
    stronger = Passwords(hasher=CountingHasher(time_cost=2, memory_cost=512))
    later = UserStore(redis, now_ms=clock.now_ms, passwords=stronger)
    user = await later.authenticate(USER, PASSWORD)
    assert user is not None
    assert "m=512,t=2" in user.password_hash
    assert user.password_changed_at == old.password_changed_at
    assert await later.get(USER) == user
    assert await later.authenticate(USER, PASSWORD) == user
    stronger.close()


ROOT = "root@example.com"
OTHER_ROOT = "root2@example.com"


async def test_a_service_account_has_no_password_and_cannot_log_in(users: UserStore) -> None:
    account = await users.add("ci@example.com", None)
    assert (account.kind, account.role) == ("service", "member")
    for password in ("", PASSWORD, account.password_hash):
        assert await users.authenticate("ci@example.com", password) is None
    with pytest.raises(ValueError, match="is a service account"):
        await users.set_password("ci@example.com", PASSWORD)


async def test_a_service_account_is_a_member(users: UserStore) -> None:
    with pytest.raises(ValueError, match="must be member"):
        await users.add("ci@example.com", None, "auditor")
    await users.add("ci@example.com", None)
    with pytest.raises(ValueError, match="must be member"):
        await users.set_role("ci@example.com", "admin")


async def test_of_concurrent_additions_of_one_service_account_one_succeeds(users: UserStore) -> None:
    outcomes = await asyncio.gather(*(users.add("ci@example.com", None) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(outcome, UserExists) for outcome in outcomes) == 1


async def test_a_refused_addition_leaves_the_policy_alone(users: UserStore, redis: redis.asyncio.Redis) -> None:
    policies = PolicyStore(redis)
    await policies.update(USER, {"max_keys": 9})
    await users.add(USER, PASSWORD, policy=OwnerPolicy(max_keys=1))
    with pytest.raises(UserExists):
        await users.add(USER, PASSWORD, policy=OwnerPolicy(max_keys=2))
    assert await policies.get(USER) == OwnerPolicy(max_keys=1)


@pytest.mark.parametrize(("was_admin", "role"), [(True, "admin"), (False, "member")])
async def test_users_of_earlier_versions_are_read(
    users: UserStore, redis: redis.asyncio.Redis, was_admin: bool, role: str
) -> None:
    added = await users.add(USER, PASSWORD)
    stored = json.loads(await redis.get(USER_RECORD + USER) or b"")
    before = {name: value for name, value in stored.items() if name not in ("role", "kind")} | {"is_admin": was_admin}
    await redis.set(USER_RECORD + USER, json.dumps(before))
    user = await users.authenticate(USER, PASSWORD)
    assert user is not None
    assert (user.role, user.kind, user.password_hash) == (role, "user", added.password_hash)
    changed = await users.enable(USER)
    assert changed == user


async def test_earlier_versions_read_whether_a_user_is_an_admin(users: UserStore, redis: redis.asyncio.Redis) -> None:
    for user in (await users.add(ROOT, PASSWORD, "admin"), await users.add(USER, PASSWORD, "auditor")):
        assert json.loads(await redis.get(USER_RECORD + user.email) or b"")["is_admin"] == (user.email == ROOT)


async def test_pages_have_every_user_once(users: UserStore) -> None:
    emails = [f"{name}@x.org" for name in "edcba"]
    for email in emails:
        await users.add(email, None)
    found, cursor = [], ""
    while True:
        page = await users.page(2, cursor)
        found += [user.email for user in page.users]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert found == sorted(emails)
    assert (await users.page(5)).next_cursor is None


async def test_a_search_finds_parts_of_emails_in_any_case(users: UserStore) -> None:
    for email in ("ada@x.org", "bob@x.org", "barbara@x.org"):
        await users.add(email, None)
    assert [user.email for user in (await users.page(10, search=" AR")).users] == ["barbara@x.org"]
    page = await users.page(1, search="b")
    assert ([user.email for user in page.users], page.next_cursor) == (["barbara@x.org"], "barbara@x.org")


async def test_the_last_active_admin_stays(users: UserStore) -> None:
    await users.add(ROOT, PASSWORD, "admin")
    await users.add(OTHER_ROOT, PASSWORD, "admin")
    await users.disable(OTHER_ROOT)
    for change in (users.disable(ROOT), users.set_role(ROOT, "auditor"), users.delete(ROOT, 0)):
        with pytest.raises(LastAdmin):
            await change
    await users.enable(OTHER_ROOT)
    await users.set_role(ROOT, "member")
    with pytest.raises(LastAdmin):
        await users.disable(OTHER_ROOT)


async def test_of_concurrent_removals_of_all_admins_one_is_refused(users: UserStore) -> None:
    admins = [f"root{number}@example.com" for number in range(6)]
    for email in admins:
        await users.add(email, PASSWORD, "admin")
    outcomes = await asyncio.gather(
        *(users.disable(email) for email in admins[:2]),
        *(users.set_role(email, "member") for email in admins[2:4]),
        *(users.delete(email, 0) for email in admins[4:]),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, LastAdmin) for outcome in outcomes) == 1
    assert sum(user.is_active_admin for user in await users.list()) == 1


async def test_a_deleted_user_leaves_neither_a_login_nor_a_policy(users: UserStore, redis: redis.asyncio.Redis) -> None:
    await users.add(USER, PASSWORD, policy=OwnerPolicy(max_keys=1))
    assert await users.delete(USER, 0)
    assert await users.get(USER) is None
    assert list(await users.list()) == []
    assert await users.authenticate(USER, PASSWORD) is None
    assert await PolicyStore(redis).get(USER) == OwnerPolicy()
    assert await users.delete(USER, 0)
    await users.add(USER, PASSWORD)


async def test_a_user_with_other_keys_than_expected_is_not_deleted(
    users: UserStore, redis: redis.asyncio.Redis, clock: Clock
) -> None:
    await users.add(USER, PASSWORD)
    await KeyStore(redis, pepper=None, now_ms=clock.now_ms).create(owner=USER, key_name="late")
    assert not await users.delete(USER, 0)
    assert await users.get(USER) is not None
    assert await users.delete(USER, 1)
