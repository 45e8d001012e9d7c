"""Rules for new passwords."""

from __future__ import annotations

import secrets

import pytest

from gateway.password_policy import validate_new_password

EMAIL = "Ada.Lovelace@example.com"


@pytest.mark.parametrize(
    "password", ["correct horse battery", "x7!pQ0aB2z", "ada.lovelace2", "пароль из слов", "  spaces  kept  "]
)
def test_an_uncommon_password_of_ten_characters_is_accepted_as_it_is(password: str) -> None:
    assert validate_new_password(password, EMAIL) == password


def test_generated_passwords_are_accepted() -> None:
    for _ in range(100):
        validate_new_password(secrets.token_urlsafe(15), "admin@localhost")


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("", "must have 10 to 1024 characters"),
        ("x7!pQ0aB2", "must have 10 to 1024 characters"),
        ("x" * 1025, "must have 10 to 1024 characters"),
        ("1234567890", "one of the 10,000 most common"),
        ("Password123", "one of the 10,000 most common"),
        ("QWERTYUIOP", "one of the 10,000 most common"),
        ("qwertyuiop ", "one of the 10,000 most common"),
        ("ada.lovelace@example.com", "must not be the email"),
        ("ADA.LOVELACE", "must not be the email"),
        (" ada.lovelace ", "must not be the email"),
    ],
)
def test_a_guessable_password_is_rejected_with_what_it_must_be(password: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        validate_new_password(password, EMAIL)
    assert password == "" or password.strip() not in str(error.value)
