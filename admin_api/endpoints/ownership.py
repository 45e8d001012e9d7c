"""Ownership: the owner whose keys and usage a request may read."""

from __future__ import annotations

from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller
from admin_api.http.problem import Problem
from gateway.accounts.user import normalize_email


def requested_owner(caller: ApiCaller, owner: str | None, all_owners: bool) -> str | None:
    """Return the owner whose data is requested, by default the caller; `None` for all owners.

    Raises `Problem` 403 if a member requests the data of others.
    """
    if owner is not None and all_owners:
        raise InvalidFields([FieldFault("owner", "must not be combined with all")])
    if all_owners:
        requested = None
    elif owner is None:
        requested = caller.user.email
    else:
        try:
            requested = normalize_email(owner)
        except ValueError:
            requested = owner
    if requested != caller.user.email and not caller.user.reads_all:
        raise Problem(403, "Only an admin or an auditor may read the data of other owners.")
    return requested
