"""Access tokens: issuing and verifying them without HTTP."""

from __future__ import annotations

import base64
import hmac
import json

import pytest

from gateway.accounts.tokens import AUDIENCE, AccessTokens, key_id
from gateway.accounts.user import User
from tests.support.admin_api import SECRET, USER, forged
from tests.support.clock import Clock


@pytest.fixture
def user(clock: Clock) -> User:
    now = clock.now_ms()
    return User(
        email=USER,
        password_hash="",
        role="member",
        kind="user",
        disabled=False,
        created_at=now,
        password_changed_at=now,
    )


def test_a_token_is_valid_after_a_restart(clock: Clock, user: User) -> None:
    token = AccessTokens(SECRET, now_ms=clock.now_ms).issue(user)
    claims = AccessTokens(SECRET, now_ms=clock.now_ms).verify(token)
    assert claims is not None
    assert (claims.sub, claims.pwd) == (USER, user.password_changed_at)


def test_a_token_of_another_secret_is_invalid(clock: Clock, user: User) -> None:
    token = AccessTokens("t" * 48, now_ms=clock.now_ms).issue(user)
    assert AccessTokens(SECRET, now_ms=clock.now_ms).verify(token) is None


@pytest.mark.parametrize("secret", ["", "short", "s" * 31])
def test_a_short_secret_is_rejected(secret: str) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        AccessTokens(secret, now_ms=lambda: 0)


def test_tokens_of_previous_secrets_are_valid_and_new_ones_have_the_current_secret(clock: Clock, user: User) -> None:
    old, older = "o" * 48, "p" * 48
    tokens = AccessTokens(SECRET, now_ms=clock.now_ms, previous_secrets=(old, older))
    for secret in (old, older):
        assert tokens.verify(AccessTokens(secret, now_ms=clock.now_ms).issue(user)) is not None
    assert AccessTokens(SECRET, now_ms=clock.now_ms).verify(tokens.issue(user)) is not None
    assert tokens.verify(AccessTokens("q" * 48, now_ms=clock.now_ms).issue(user)) is None


def test_a_token_without_a_key_id_is_valid_if_any_of_the_secrets_signed_it(clock: Clock, user: User) -> None:
    tokens = AccessTokens("n" * 48, now_ms=clock.now_ms, previous_secrets=(SECRET,))
    now = clock.now_ms() // 1000
    claims = {"sub": USER, "aud": AUDIENCE, "iat": now, "exp": now + 60, "pwd": user.password_changed_at}
    assert tokens.verify(forged(claims)) is not None
    assert tokens.verify(forged(claims, "q" * 48)) is None


@pytest.mark.parametrize("kid", ["unknown", "", 7, None, ["x"]])
def test_a_token_with_another_key_id_is_invalid(clock: Clock, user: User, kid: object) -> None:
    now = clock.now_ms() // 1000
    claims = {"sub": USER, "aud": AUDIENCE, "iat": now, "exp": now + 60, "pwd": user.password_changed_at}
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": kid}).encode()).rstrip(b"=")
    signed = header + b"." + forged(claims).split(".")[1].encode()
    signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).rstrip(b"=")
    token = (signed + b"." + signature).decode()
    assert AccessTokens(SECRET, now_ms=clock.now_ms).verify(token) is None


def test_a_key_id_does_not_reveal_its_secret() -> None:
    assert key_id(SECRET) == key_id(SECRET) != key_id(SECRET + "x")
    assert len(key_id(SECRET)) == 16
