"""Users as owners of keys: the changes of a user that concern the user's keys and policy, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.accounts.user import Role, User
from gateway.accounts.users import UserStore
from gateway.keys.policies import merged
from gateway.keys.record import OwnerPolicy
from gateway.keys.store import KeyStore
from gateway.keys.validation import validate_policy


class UnknownUser(Exception):
    """There is no user with this email."""


class Owner(NamedTuple):
    """A user and the policy of the user's keys."""

    user: User
    policy: OwnerPolicy


class Owners:
    """The users with their keys and policies."""

    def __init__(self, users: UserStore, keys: KeyStore) -> None:
        self._users = users
        self._keys = keys

    async def get(self, email: str) -> Owner:
        """Return a user with the policy. Raises `UnknownUser`."""
        return await self._with_policy(_known(await self._users.get(email)))

    async def add(self, email: str, password: str | None, role: Role, policy: Mapping[str, Any]) -> Owner:
        """Create a user or, without a password, a service account; the policy holds from the beginning.

        Raises `UserExists`, `InvalidRole`, `InvalidField` for the policy, and `ValueError` for the email or password.
        """
        initial = merged(OwnerPolicy(), validate_policy(policy))
        return Owner(await self._users.add(email, password, role, policy=initial), initial)

    async def update(self, email: str, role: Role | None, policy: Mapping[str, Any]) -> Owner:
        """Change the role, if given, and the fields of the policy that are given.

        Raises `UnknownUser`, `LastAdmin`, `InvalidRole`, and `InvalidField` for the policy.
        """
        valid = validate_policy(policy)
        changed = self._users.get(email) if role is None else self._users.set_role(email, role)
        user = _known(await changed)
        if not valid:
            return await self._with_policy(user)
        return Owner(user, await self._keys.policies.update(user.email, valid))

    async def disable(self, email: str) -> tuple[User, int]:
        """Disable a user and suspend the user's keys. Returns how many were active before. Idempotent.

        Raises `UnknownUser` and `LastAdmin`.
        """
        user = _known(await self._users.disable(email))
        return user, await self._keys.disable_owner(user.email)

    async def enable(self, email: str) -> tuple[Owner, int]:
        """Undo `disable`. Returns how many keys are active again. Idempotent. Raises `UnknownUser`."""
        user = _known(await self._users.enable(email))
        return await self._with_policy(user), await self._keys.enable_owner(user.email)

    async def _with_policy(self, user: User) -> Owner:
        return Owner(user, await self._keys.policies.get(user.email))


def _known(user: User | None) -> User:
    if user is None:
        raise UnknownUser
    return user
