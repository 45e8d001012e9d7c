"""Access tokens: JWTs signed with HMAC-SHA-256.

- The algorithm is fixed here and never read from the token. The secret has at least 32 bytes.
- `exp`, `iat`, `sub`, `aud` and `pwd` are required, of the right type, and no token lives longer than it may.
- `pwd` is the user's `password_changed_at`: a token from before a password change is refused, exactly.
- Whatever is wrong with a token, it means "no identity" and nothing more.
"""

from __future__ import annotations

from collections.abc import Callable

import jwt
import msgspec

from gateway.accounts.users import User

ALGORITHM = "HS256"
AUDIENCE = "mcp-gateway-admin"
LIFETIME_SECONDS = 12 * 3600
MIN_SECRET_BYTES = 32
MAX_TOKEN_CHARACTERS = 4096
CLOCK_SKEW_SECONDS = 60
"""How far ahead the clock of another admin process may be."""


class Claims(msgspec.Struct, frozen=True):
    """What a valid token says."""

    sub: str
    aud: str
    iat: int
    exp: int
    pwd: int


class Tokens:
    """Issues and reads access tokens."""

    def __init__(self, secret: str, *, now_ms: Callable[[], int], lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"the secret of access tokens must have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self._now_ms = now_ms
        self.lifetime_seconds = lifetime_seconds

    def issue(self, user: User) -> str:
        """A token that names this user, until it expires or the password changes."""
        now = self._now_ms() // 1000
        claims = Claims(
            sub=user.email,
            aud=AUDIENCE,
            iat=now,
            exp=now + self.lifetime_seconds,
            pwd=user.password_changed_at,
        )
        return jwt.encode(msgspec.to_builtins(claims), self._secret, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims | None:
        """The claims of a token that is valid now, else `None`. The caller checks the user against them."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # The clock is ours to choose, so the times are judged below.
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
        return claims if self._timely(claims) else None

    def _timely(self, claims: Claims) -> bool:
        now = self._now_ms() / 1000
        lives = claims.exp - claims.iat
        return claims.iat <= now + CLOCK_SKEW_SECONDS and now < claims.exp and lives <= self.lifetime_seconds
