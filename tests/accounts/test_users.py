"""Users in Redis."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from gateway.accounts.passwords import Passwords
from gateway.accounts.users import UserExists, UserStore
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
        *(users.add(email, PASSWORD, True, only_if_empty=True) for email in emails), return_exceptions=True
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
    with pytest.raises(ValueError, match="8 to 1024"):
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
