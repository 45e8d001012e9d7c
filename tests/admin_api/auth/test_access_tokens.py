"""Access tokens over HTTP: which are accepted, and that all invalid ones get the same response."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.accounts.tokens import AUDIENCE, key_id
from gateway.keys.secret import ApiKey
from tests.support.admin_api import PASSWORD, SECRET, USER, Api, forged
from tests.support.clock import Clock


async def claims_of(api: Api) -> dict[str, Any]:
    """Return the claims of a valid token."""
    user = await api.deps.users.get(USER)
    assert user is not None
    now = api.deps.now_ms() // 1000
    return {"sub": USER, "aud": AUDIENCE, "iat": now, "exp": now + 600, "pwd": user.password_changed_at}


async def status(api: Api, token: str) -> int:
    return (await api.with_token(token).get("/api/auth/me")).status


async def test_the_claims_that_the_attacks_modify_are_valid(api: Api) -> None:
    assert await status(api, forged(await claims_of(api))) == 200


async def test_a_login_returns_a_token_with_all_claims(user: Api) -> None:
    assert user.token is not None
    assert jwt.get_unverified_header(user.token) == {"alg": "HS256", "typ": "JWT", "kid": key_id(SECRET)}
    claims = jwt.decode(user.token, options={"verify_signature": False})
    assert set(claims) == {"sub", "aud", "iat", "exp", "pwd", "sid"}
    assert claims["sub"] == USER


@pytest.mark.parametrize("claim", ["sub", "aud", "iat", "exp", "pwd"])
async def test_a_token_without_a_claim_is_rejected(api: Api, claim: str) -> None:
    claims = await claims_of(api)
    del claims[claim]
    assert await status(api, forged(claims)) == 401


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "somebody-else"},
        {"aud": [AUDIENCE]},
        {"aud": AUDIENCE + " "},
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": 10**30},
        {"exp": 9_999_999_999},
        {"exp": True},
        {"exp": None},
        {"iat": 9_999_999_999, "exp": 9_999_999_999 + 600},
        {"iat": -1},
        {"sub": "nobody@example.com"},
        {"sub": 7},
        {"sub": ""},
        {"pwd": 1},
        {"pwd": None},
        {"sid": "ses_unknown"},
        {"sid": 7},
        {"sid": None},
        {"nbf": 9_999_999_999},
    ],
    ids=str,
)
async def test_a_token_with_an_invalid_claim_is_rejected(api: Api, change: dict[str, Any]) -> None:
    assert await status(api, forged({**await claims_of(api), **change})) == 401


async def test_other_algorithms_and_secrets_are_rejected(api: Api) -> None:
    claims = await claims_of(api)
    key = rsa.generate_private_key(65_537, 2048)
    tokens = [
        jwt.encode(claims, "", algorithm="none"),
        forged(claims, algorithm="HS384"),
        forged(claims, SECRET + SECRET, algorithm="HS512"),
        forged(claims, secret="t" * 48),
        jwt.encode(claims, key, algorithm="RS256"),
    ]
    assert [await status(api, token) for token in tokens] == [401] * len(tokens)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("secret", [" ", "s", "secret", "change-me"])
async def test_a_token_signed_with_a_short_secret_is_rejected(api: Api, secret: str) -> None:
    assert await status(api, forged(await claims_of(api), secret=secret)) == 401


async def test_an_unsigned_token_with_a_changed_header_is_rejected(api: Api) -> None:
    head, body, signature = forged(await claims_of(api)).split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    for token in (f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}.", f"{head}.{body}"):
        assert await status(api, token) == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 50, "é.é.é", "Bearer", "x" * 5000, "null", "e30.e30.e30"])
async def test_malformed_tokens_are_rejected(api: Api, token: str) -> None:
    assert await status(api, token) == 401


async def test_an_api_key_is_not_a_token(user: Api) -> None:
    key = await user.create_key()
    assert await status(user, key["api_key"]) == 401
    assert await status(user, ApiKey.generate().text) == 401


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
async def test_other_schemes_are_rejected(user: Api, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {user.token}".strip()}
    assert (await user.with_token(None).request("GET", "/api/auth/me", headers=headers)).status == 401


async def test_two_authorization_headers_are_rejected(user: Api) -> None:
    headers = [("Authorization", f"Bearer {user.token}"), ("Authorization", f"Bearer {user.token}")]
    async with user.client.get("/api/auth/me", headers=headers) as response:
        assert response.status == 401


async def test_all_invalid_tokens_get_the_same_response(api: Api) -> None:
    claims = await claims_of(api)
    tokens = [forged({**claims, "exp": 1}), forged(claims, "t" * 48), forged({**claims, "sub": "no@no"}), "junk"]
    responses = [await api.with_token(token).get("/api/auth/me") for token in tokens]
    assert len({json.dumps(response.body) for response in responses}) == 1
    assert responses[0].headers["WWW-Authenticate"] == 'Bearer realm="admin", error="invalid_token"'


async def test_a_token_expires(user: Api, clock: Clock) -> None:
    clock.advance(user.deps.tokens.lifetime_seconds - 5)
    assert await status(user, user.token or "") == 200
    clock.advance(10)
    assert await status(user, user.token or "") == 401


async def test_a_token_of_a_disabled_user_is_rejected_immediately(user: Api) -> None:
    await user.deps.users.disable(USER)
    assert await status(user, user.token or "") == 401


async def test_a_password_change_invalidates_only_older_tokens(user: Api) -> None:
    response = await user.post("/api/auth/password", {"current_password": PASSWORD, "new_password": "another good one"})
    assert response.status == 200
    assert await status(user, user.token or "") == 401
    assert await status(user, response.body["access_token"]) == 200
    await user.logged_in(USER, "another good one")
