"""Access tokens: issuing and verifying them without HTTP."""

from __future__ import annotations

import pytest

from gateway.accounts.tokens import AccessTokens
from gateway.accounts.user import User
from tests.support.admin_api import SECRET, USER
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
