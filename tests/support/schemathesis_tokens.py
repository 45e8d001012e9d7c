"""Authentication of schemathesis, as its hooks: a new token for each request, because some requests end theirs."""

from __future__ import annotations

import itertools
import os
from typing import Any

import schemathesis

from tests.support.admin_api import forged

_lifetimes = itertools.count(3600)


class FreshToken:
    """Signs a token for each request, from claims in the environment."""

    def get(self, case: Any, context: Any) -> str:
        issued_at = int(os.environ["TOKEN_ISSUED_AT"])
        return forged(
            {
                "sub": os.environ["TOKEN_USER"],
                "aud": "mcp-gateway-admin",
                "iat": issued_at,
                "exp": issued_at + next(_lifetimes),
                "pwd": int(os.environ["TOKEN_PASSWORD_CHANGED_AT"]),
            }
        )

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


schemathesis.auth(refresh_interval=None)(FreshToken)
