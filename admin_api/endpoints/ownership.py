"""Whose keys and usage a request may see."""

from __future__ import annotations

from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import Caller
from admin_api.http.problem import Problem
from gateway.accounts.users import normalize_email


def owner_asked_for(caller: Caller, owner: str | None, everybody: bool) -> str | None:
    """The owner to look at; `None` for everybody. Without a word it is the caller.

    Raises `Problem` 403 where somebody who is no admin asks for more than their own.
    """
    if owner is not None and everybody:
        raise InvalidFields([FieldFault("owner", "cannot be given together with all")])
    if everybody:
        wanted = None
    elif owner is None:
        wanted = caller.user.email
    else:
        try:
            wanted = normalize_email(owner)
        except ValueError:
            wanted = owner
    if wanted != caller.user.email and not caller.user.is_admin:
        raise Problem(403, "Only an admin may see what belongs to others.")
    return wanted
