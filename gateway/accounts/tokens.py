"""Access tokens: JWTs signed with HMAC-SHA-256.

- The algorithm is fixed and never read from the token. The secret has at least 32 bytes.
- `exp`, `iat`, `sub`, `aud` and `pwd` are required and type-checked; the lifetime of a token is bounded.
- `pwd` is the user's `password_changed_at`: tokens issued before a password change are invalid.
- All invalid tokens are treated alike: they identify no user.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt
import msgspec

from gateway.accounts.user import User

ALGORITHM = "HS256"
AUDIENCE = "mcp-gateway-admin"
LIFETIME_SECONDS = 12 * 3600
MIN_SECRET_BYTES = 32
MAX_TOKEN_CHARACTERS = 4096
CLOCK_SKEW_SECONDS = 60
"""Seconds by which the clock of another admin process may be ahead."""


class Claims(msgspec.Struct, frozen=True):
    """The claims of a valid token."""

    sub: str
    aud: str
    iat: int
    exp: int
    pwd: int


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, secret: str, *, now_ms: Callable[[], int], lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret of access tokens must have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self._now_ms = now_ms
        self.lifetime_seconds = lifetime_seconds

    def issue(self, user: User) -> str:
        """Return a token for this user, valid until it expires or the password changes."""
        now = self._now_ms() // 1000
        claims = Claims(
            sub=user.email,
            aud=AUDIENCE,
            iat=now,
            exp=now + self.lifetime_seconds,
            pwd=user.password_changed_at,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._secret, algorithm=ALGORITHM)

    def verify(self, token: str) -> Claims | None:
        """Return the claims of a valid token, else `None`. The caller checks them against the stored user."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # Times are checked below, with the injected clock.
                options={
                    "require": ["exp", "iat", "sub", "aud", "pwd"],
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            claims = msgspec.convert(payload, Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
            return None
        return claims if self._is_current(claims) else None

    def _is_current(self, claims: Claims) -> bool:
        now = self._now_ms() / 1000
        lifetime = claims.exp - claims.iat
        return claims.iat <= now + CLOCK_SKEW_SECONDS and now < claims.exp and lifetime <= self.lifetime_seconds
