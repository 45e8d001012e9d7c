"""The users of a gateway, the output of the user commands, and their errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.cli.keys import options as key_options
from gateway.cli.support.output import CliError, counted
from gateway.cli.support.stores import Stores

if TYPE_CHECKING:
    from gateway.accounts.owners import Owner, Owners
    from gateway.keys.record import OwnerPolicy


def owners_of(stores: Stores) -> Owners:
    """Return the users of a gateway, with their keys and policies."""
    # Not at the top: it loads argon2, which the other commands do without.
    from gateway.accounts.owners import Owners

    return Owners(stores.users, stores.keys)


@contextmanager
def user_errors(email: str) -> Iterator[None]:
    """Turn the errors of changes of a user into `CliError`."""
    # Not at the top: it loads argon2, which the other commands do without.
    from gateway.accounts.owners import OwnsKeys, UnknownUser
    from gateway.accounts.user import InvalidRole
    from gateway.accounts.users import LastAdmin, UserExists

    try:
        with key_options.refusals():
            yield
    except UnknownUser:
        raise no_such_user(email) from None
    except UserExists:
        raise CliError(f"there is a user {email} already: list them with `mcp-gateway user list`") from None
    except LastAdmin:
        raise CliError(
            f"{email} is the last admin: add another one first (`mcp-gateway user add EMAIL --admin`)"
        ) from None
    except OwnsKeys as error:
        raise CliError(
            f"{email} owns {counted(error.count, 'key')}: revoke them first, or name their new owner with --transfer-to"
        ) from None
    except InvalidRole as error:
        raise CliError(f"--role {error}") from None


def no_such_user(email: str) -> CliError:
    """Return the error for an unknown email."""
    return CliError(f"there is no user {email}: list them with `mcp-gateway user list`")


def user_to_json(owner: Owner) -> dict[str, Any]:
    """Return the fields of a user as the admin API lists them."""
    return {**owner.values(), "policy": policy_to_json(owner.policy)}


def policy_to_json(policy: OwnerPolicy) -> dict[str, Any]:
    """Return the fields of a policy that are set."""
    fields: dict[str, Any] = msgspec.to_builtins(policy)
    return fields
