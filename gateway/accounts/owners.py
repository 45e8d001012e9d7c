"""Users as owners of keys: changes of a user that also affect the user's keys and policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.accounts.user import NoOwner, Role, User, possible_owner
from gateway.accounts.users import UserExists, UserStore
from gateway.keys.policies import merged
from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.keys.store import KeyStore
from gateway.keys.validation import InvalidField, validate_policy
from gateway.timestamps import format_rfc3339


class UnknownUser(Exception):
    """There is no user with this email."""


class OwnsKeys(Exception):
    """The user has keys that are not revoked."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(count)


class Owner(NamedTuple):
    """A user and the policy of the user's keys."""

    user: User
    policy: OwnerPolicy

    def values(self) -> dict[str, Any]:
        """Return the members by which the admin API and the command line describe them."""
        return {
            "email": self.user.email,
            "role": self.user.role,
            "kind": self.user.kind,
            "is_admin": self.user.is_admin,
            "disabled": self.user.disabled,
            "invited": self.user.is_invited,
            "created_at": format_rfc3339(self.user.created_at),
            "policy": self.policy,
        }


class Owners:
    """The users with their keys and policies."""

    def __init__(self, users: UserStore, keys: KeyStore) -> None:
        self._users = users
        self._keys = keys

    async def get(self, email: str) -> Owner:
        """Return a user with the policy. Raises `UnknownUser`."""
        return await self._with_policy(_require(await self._users.get(email)))

    async def page(self, limit: int, cursor: str, search: str) -> tuple[Sequence[Owner], str | None]:
        """Return a page of users with their policies, as `UserStore.page` does, and the next cursor."""
        users, next_cursor = await self._users.page(limit, cursor, search)
        return await self._with_policies(users), next_cursor

    async def add(self, email: str, password: str | None, role: Role, policy: Mapping[str, Any]) -> Owner:
        """Create a user or, without a password, a service account; the policy holds from the beginning.

        Raises `UserExists`, `InvalidRole`, `InvalidField` for the policy, and `ValueError` for the email or password.
        """
        initial = merged(OwnerPolicy(), validate_policy(policy))
        return Owner(await self._users.add(email, password, role, policy=initial), initial)

    async def invite(self, email: str, role: Role | None, policy: Mapping[str, Any]) -> Owner:
        """Create a user without a password, or change one who has not accepted an invitation yet.

        Raises as `add` and `update` do; `UserExists` for every other user.
        """
        initial = merged(OwnerPolicy(), validate_policy(policy))
        try:
            user = await self._users.add(email, None, role or "member", policy=initial, kind="user")
        except UserExists:
            invited = await self._users.get(email)
            if invited is None or not invited.is_invited:
                raise
            return await self.update(email, role, policy)
        return Owner(user, initial)

    async def update(self, email: str, role: Role | None, policy: Mapping[str, Any]) -> Owner:
        """Change the role, if given, and the fields of the policy that are given.

        Raises `UnknownUser`, `LastAdmin`, `InvalidRole`, and `InvalidField` for the policy.
        """
        valid = validate_policy(policy)
        changed = self._users.get(email) if role is None else self._users.set_role(email, role)
        user = _require(await changed)
        if not valid:
            return await self._with_policy(user)
        return Owner(user, await self._keys.policies.update(user.email, valid))

    async def disable(self, email: str) -> tuple[User, int]:
        """Disable a user and suspend the user's keys. Returns how many were active before. Idempotent.

        Raises `UnknownUser` and `LastAdmin`.
        """
        user = _require(await self._users.disable(email))
        return user, await self._keys.disable_owner(user.email)

    async def enable(self, email: str) -> tuple[Owner, int]:
        """Undo `disable`. Returns how many keys are active again. Idempotent. Raises `UnknownUser`."""
        user = _require(await self._users.enable(email))
        return await self._with_policy(user), await self._keys.enable_owner(user.email)

    async def delete(self, email: str, transfer_to: str | None) -> tuple[User, Sequence[str]]:
        """Delete a user and the policy, after the transfer of all keys that are not revoked. Return their ids.

        All keys fit or none is transferred. After a crash between two transfers, deleting the user again transfers the
        others.

        Raises `UnknownUser`, `LastAdmin`, `OwnsKeys` without `transfer_to`, `InvalidField` for a user to whom keys
        cannot be transferred, and `BeyondPolicy` if the policy of that user allows no more keys.
        """
        user = _require(await self._users.get(email))
        new_owner = None if transfer_to is None else await self._new_owner(user, transfer_to)
        await self._users.require_other_admin(user)
        transferred: list[str] = []
        while True:
            records = await self._keys.list(user.email)
            kept = [record for record in records if record.revoked_at is None]
            if new_owner is None and kept:
                raise OwnsKeys(len(kept))
            if new_owner is not None and kept:
                await self._keys.require_room(new_owner, kept)
                transferred += await self._transfer(kept, new_owner)
            if not kept and await self._users.delete(user.email, len(records)):
                return user, transferred

    async def _new_owner(self, user: User, email: str) -> str:
        new_owner = await self._users.get(email)
        if new_owner is not None and new_owner.email == user.email:
            raise InvalidField("transfer_to", "must be another user")
        try:
            return possible_owner(new_owner)
        except NoOwner as error:
            raise InvalidField("transfer_to", str(error)) from None

    async def _transfer(self, records: Sequence[KeyRecord], new_owner: str) -> Sequence[str]:
        transferred = [
            record.key_id for record in records if await self._keys.transfer(record.key_id, new_owner) is not None
        ]
        user = await self._users.get(new_owner)
        if user is None or user.disabled:
            # `disable` may have run meanwhile, and listed the keys before these were among them.
            await self._keys.disable_owner(new_owner)
        return transferred

    async def _with_policy(self, user: User) -> Owner:
        return Owner(user, await self._keys.policies.get(user.email))

    async def _with_policies(self, users: Sequence[User]) -> Sequence[Owner]:
        return list(map(Owner, users, await self._keys.policies.get_all([user.email for user in users])))


def _require(user: User | None) -> User:
    if user is None:
        raise UnknownUser
    return user
