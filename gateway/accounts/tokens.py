"""Access tokens: JWTs signed with HMAC-SHA-256.

- The algorithm is fixed and never read from the token. A secret has at least 32 bytes.
- New tokens are signed with the current secret. Previous secrets still verify; `kid` in the header names the secret,
  and is derived from it. Tokens of earlier versions have no `kid`.
- `exp`, `iat`, `sub`, `aud` and `pwd` are required and type-checked; the lifetime of a token is bounded.
- `pwd` is the user's `password_changed_at`: tokens issued before a password change are invalid.
- `operator` is the user of the operating system who runs a command with the rights of `sub`.
- `sid` is the session of the token (`gateway.accounts.sessions`), if it has one.
- All invalid tokens are treated alike: they identify no user.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

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


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a valid token."""

    sub: str
    aud: str
    iat: int
    exp: int
    pwd: int
    sid: str = ""
    operator: str = ""


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(
        self,
        secret: str,
        *,
        now_ms: Callable[[], int],
        previous_secrets: Sequence[str] = (),
        lifetime_seconds: int = LIFETIME_SECONDS,
    ) -> None:
        if any(len(one.encode()) < MIN_SECRET_BYTES for one in (secret, *previous_secrets)):
            raise ValueError(f"the secret of access tokens must have at least {MIN_SECRET_BYTES} bytes")
        self._secret = secret
        self._secrets = {key_id(one): one for one in (secret, *previous_secrets)}
        self._now_ms = now_ms
        self.lifetime_seconds = lifetime_seconds

    def issue(self, user: User, *, session_id: str = "", expires_at_ms: int | None = None, operator: str = "") -> str:
        """Return a token for this user, valid until it expires, its session ends, or the password changes."""
        now = self._now_ms() // 1000
        claims = Claims(
            sub=user.email,
            aud=AUDIENCE,
            iat=now,
            exp=now + self.lifetime_seconds if expires_at_ms is None else expires_at_ms // 1000,
            pwd=user.password_changed_at,
            sid=session_id,
            operator=operator,
        )
        headers = {"kid": key_id(self._secret)}
        return jwt.encode(msgspec.to_builtins(claims), self._secret, algorithm=ALGORITHM, headers=headers)

    def verify(self, token: str) -> Claims | None:
        """Return the claims of a valid token, else `None`. The caller checks them against the stored user."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        for secret in self._secrets_of(token):
            claims = _verified(token, secret)
            if claims is not None:
                return claims if self._is_current(claims) else None
        return None

    def _secrets_of(self, token: str) -> Sequence[str]:
        """Return the secrets with which a token may be signed; all of them for a token without `kid`."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return ()
        if "kid" not in header:
            return tuple(self._secrets.values())
        secret = self._secrets.get(header["kid"])
        return () if secret is None else (secret,)

    def _is_current(self, claims: Claims) -> bool:
        now = self._now_ms() / 1000
        lifetime = claims.exp - claims.iat
        return claims.iat <= now + CLOCK_SKEW_SECONDS and now < claims.exp and lifetime <= self.lifetime_seconds


def key_id(secret: str) -> str:
    """Return the `kid` of a secret, which does not reveal it."""
    return hmac.digest(secret.encode(), b"mcp-gateway key id", hashlib.sha256).hex()[:16]


def _verified(token: str, secret: str) -> Claims | None:
    try:
        payload = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            # Times are checked by the caller, with the injected clock.
            options={
                "require": ["exp", "iat", "sub", "aud", "pwd"],
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
            },
        )
        return msgspec.convert(payload, Claims)
    except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
        return None
