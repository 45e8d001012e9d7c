"""Changes of users that concern their keys and policies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
import redis.asyncio

from gateway.accounts.owners import Owners, OwnsKeys, UnknownUser
from gateway.accounts.passwords import Passwords
from gateway.accounts.users import LastAdmin, UserStore
from gateway.keys.changes import OPERATOR, BeyondPolicy
from gateway.keys.record import OwnerPolicy
from gateway.keys.store import KeyStore
from gateway.keys.validation import InvalidField
from tests.support.admin_api import ADMIN, PASSWORD, USER
from tests.support.clock import Clock
from tests.support.waiting import until

OTHER = "bob@example.com"


class Accounts:
    """An admin, a member and a service account."""

    def __init__(self, redis: redis.asyncio.Redis, clock: Clock, passwords: Passwords) -> None:
        self.users = UserStore(redis, now_ms=clock.now_ms, passwords=passwords)
        self.keys = KeyStore(redis, pepper=None, now_ms=clock.now_ms)
        self.owners = Owners(self.users, self.keys)
        self.transferred: Sequence[str] = []

    async def delete(self, email: str, transfer_to: str | None = None) -> None:
        _, self.transferred = await self.owners.delete(email, transfer_to)

    async def create_keys(self, *names: str) -> list[str]:
        return [(await self.keys.create(owner=USER, key_name=name))[0].key_id for name in names]

    async def names_of_keys(self, owner: str) -> set[str]:
        return {record.key_name for record in await self.keys.list(owner)}


@pytest.fixture
async def accounts(redis: redis.asyncio.Redis, clock: Clock, cheap_passwords: Passwords) -> Accounts:
    accounts = Accounts(redis, clock, cheap_passwords)
    await accounts.owners.add(ADMIN, PASSWORD, "admin", {})
    await accounts.owners.add(USER, PASSWORD, "member", {"max_keys": 5})
    await accounts.owners.add(OTHER, None, "member", {})
    return accounts


async def test_the_policy_is_there_as_soon_as_the_user_is(accounts: Accounts) -> None:
    policies = accounts.keys.policies

    async def is_added(email: str) -> bool:
        return await accounts.users.get(email) is not None

    async def first_seen(email: str) -> OwnerPolicy:
        await until(lambda: is_added(email))
        return await policies.get(email)

    for number in range(10):
        email = f"new{number}@example.com"
        seen, _ = await asyncio.gather(first_seen(email), accounts.owners.add(email, None, "member", {"max_keys": 1}))
        assert seen == OwnerPolicy(max_keys=1)


async def test_an_invalid_policy_adds_no_user_and_changes_no_role(accounts: Accounts) -> None:
    with pytest.raises(InvalidField):
        await accounts.owners.add("new@example.com", None, "member", {"max_keys": 0})
    assert await accounts.users.get("new@example.com") is None
    with pytest.raises(InvalidField):
        await accounts.owners.update(USER, "admin", {"max_keys": 0})
    assert (await accounts.owners.get(USER)).user.role == "member"


async def test_a_refused_role_leaves_the_policy_alone(accounts: Accounts) -> None:
    with pytest.raises(LastAdmin):
        await accounts.owners.update(ADMIN, "member", {"max_keys": 1})
    assert (await accounts.owners.get(ADMIN)).policy == OwnerPolicy()


async def test_a_user_with_keys_is_not_deleted(accounts: Accounts) -> None:
    first, second = await accounts.create_keys("one", "two")
    await accounts.keys.revoke(first)
    with pytest.raises(OwnsKeys) as raised:
        await accounts.delete(USER)
    assert raised.value.count == 1
    await accounts.keys.revoke(second)
    await accounts.delete(USER)
    with pytest.raises(UnknownUser):
        await accounts.owners.get(USER)
    assert await accounts.keys.policies.get(USER) == OwnerPolicy()


async def test_the_keys_that_are_not_revoked_are_transferred(accounts: Accounts) -> None:
    one, revoked, suspended = await accounts.create_keys("one", "revoked", "suspended")
    await accounts.keys.revoke(revoked)
    await accounts.keys.suspend(suspended, actor=OPERATOR)
    await accounts.delete(USER.upper(), OTHER)
    assert await accounts.names_of_keys(OTHER) == {"one", "suspended"}
    assert set(accounts.transferred) == {one, suspended}
    assert await accounts.names_of_keys(USER) == {"revoked"}
    assert await accounts.users.get(USER) is None


@pytest.mark.parametrize("heir", ["nobody@example.com", "nobody", USER, "eve@example.com", "gone@example.com"])
async def test_keys_go_only_to_another_user_who_can_own_them(accounts: Accounts, heir: str) -> None:
    await accounts.users.add("eve@example.com", PASSWORD, "auditor")
    await accounts.users.add("gone@example.com", PASSWORD)
    await accounts.users.disable("gone@example.com")
    await accounts.create_keys("one")
    with pytest.raises(InvalidField, match="transfer_to"):
        await accounts.delete(USER, heir)
    assert await accounts.names_of_keys(USER) == {"one"}


async def test_the_last_admin_is_not_deleted_and_keeps_the_keys(accounts: Accounts) -> None:
    await accounts.keys.create(owner=ADMIN, key_name="one")
    for transfer_to in (None, OTHER):
        with pytest.raises(LastAdmin):
            await accounts.delete(ADMIN, transfer_to)
    assert await accounts.names_of_keys(ADMIN) == {"one"}


async def test_a_user_whose_keys_the_new_owner_may_not_have_stays(accounts: Accounts) -> None:
    await accounts.owners.update(OTHER, None, {"max_keys": 1})
    await accounts.create_keys("one", "two")
    with pytest.raises(BeyondPolicy):
        await accounts.delete(USER, OTHER)
    assert await accounts.users.get(USER) is not None
    assert await accounts.names_of_keys(USER) | await accounts.names_of_keys(OTHER) == {"one", "two"}


async def test_no_key_is_transferred_if_not_all_fit(accounts: Accounts) -> None:
    await accounts.create_keys("one", "two")
    await accounts.keys.policies.update(OTHER, {"max_keys": 2})
    await accounts.keys.create(owner=OTHER, key_name="present")
    with pytest.raises(BeyondPolicy, match="max_keys"):
        await accounts.delete(USER, OTHER)
    assert await accounts.names_of_keys(USER) == {"one", "two"}
    await accounts.keys.policies.update(OTHER, {"max_keys": 3})
    await accounts.delete(USER, OTHER)
    assert await accounts.names_of_keys(OTHER) == {"one", "two", "present"}


async def test_a_deletion_that_ended_between_two_transfers_is_completed_by_the_next_one(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.create_keys("one", "two", "three")

    async def transfer_and_crash(key_id: str, owner: str) -> None:
        await KeyStore.transfer(accounts.keys, key_id, owner)
        raise ConnectionError

    monkeypatch.setattr(accounts.keys, "transfer", transfer_and_crash)
    with pytest.raises(ConnectionError):
        await accounts.owners.delete(USER, OTHER)
    monkeypatch.undo()
    assert len(await accounts.names_of_keys(OTHER)) == 1
    assert await accounts.users.get(USER) is not None
    await accounts.delete(USER, OTHER)
    assert await accounts.names_of_keys(OTHER) == {"one", "two", "three"}
    assert len(accounts.transferred) == 2
    assert await accounts.users.get(USER) is None
