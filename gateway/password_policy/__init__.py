"""Rules for new passwords: length, none of the common ones, and not the email.

- Passwords that were set under earlier rules keep working: only new ones are checked.
- `common_passwords.txt` has the entries of two public lists that are long enough to pass the rule for the length;
  `LICENSES.txt` names the lists.
- No message contains the password.

Pure, except that it reads that file once. Imported by `gateway.accounts`, `gateway.settings` and `admin_api`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

MIN_CHARACTERS = 10
MAX_CHARACTERS = 1024

_PHRASE = "choose another, such as four random words"


def validate_new_password(password: str, email: str) -> str:
    """Return the password. Raises `ValueError`, whose message says what it must be, if it cannot be used."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ValueError(f"must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    folded = password.strip().casefold()
    email = email.strip().casefold()
    if folded in (email, email.partition("@")[0]):
        raise ValueError(f"must not be the email, nor the part of it before the @: {_PHRASE}")
    if folded in _common_passwords():
        raise ValueError(f"must not be one of the 10,000 most common passwords: {_PHRASE}")
    return password


@cache
def _common_passwords() -> frozenset[str]:
    text = files(__name__).joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.splitlines())
