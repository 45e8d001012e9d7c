"""`doctor --key` tells a key in a wrong form from one that is not accepted."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from gateway.doctor.key import find_key, form_fault, state_fault
from gateway.keys.changes import OPERATOR
from gateway.keys.secret import ApiKey
from gateway.keys.store import KeyStore
from gateway.timestamps import DAY_MS, now_ms

KEY = ApiKey.generate(lambda size: b"\x07" * size).text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"Bearer {KEY}", "begins with the scheme Bearer"),
        (f"bearer {KEY}", "begins with the scheme Bearer"),
        (f"Bearer Bearer {KEY}", "twice (Bearer Bearer)"),
        (f"Authorization: Bearer {KEY}", "name of a header"),
        (f"X-API-Key: {KEY}", "name of a header"),
        (f"Basic {KEY}", "the scheme is Basic"),
        (f"Token {KEY}", "the scheme is Token"),
        (f'"{KEY}"', "quotes"),
        (f"'{KEY}'", "quotes"),
        (f"\u201c{KEY}\u201d", "quotes"),
        (f"{KEY}'", "quotes"),
        (f" {KEY}", "white space or a line break around"),
        (f"{KEY}\n", "white space or a line break around"),
        (f"{KEY[:20]}\n{KEY[20:]}", "white space or a line break within"),
        (f"{KEY}\u200b", "cannot be seen or typed"),
        (f"\ufeff{KEY}", "cannot be seen or typed"),
        ("$API_KEY", "placeholder"),
        ("${MCP_KEY}", "placeholder"),
        ("%API_KEY%", "placeholder"),
        ("<your key>", "placeholder"),
        ("sk-…", "placeholder"),
        ("sk-...", "placeholder"),
        (KEY[:-1], "51 characters instead of 52"),
        (KEY + "x", "53 characters instead of 52"),
        ("sk-", "3 characters instead of 52"),
        ("", "is empty"),
        (" ", "is empty"),
        (KEY.replace("sk-", "pk-"), "does not begin with sk-"),
        ("key_2b8f0c", "id of a key"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.x", "access token of the admin API"),
        (KEY[:-1] + "_", "other characters"),
        (KEY[:10] + ("0" if KEY[10] != "0" else "1") + KEY[11:], "checksum"),
    ],
)
def test_a_key_in_a_wrong_form_is_named_without_showing_it(text: str, says: str) -> None:
    fault = form_fault(text)
    assert fault is not None
    assert says in fault.finding
    assert fault.fix
    assert KEY[3:20] not in str(fault)
    assert ": " not in fault.finding


def test_a_well_formed_key_has_no_fault() -> None:
    assert form_fault(KEY) is None


class Keys:
    """Keys in a Valkey, and what `doctor` says about them."""

    def __init__(self, redis: Redis, url: str) -> None:
        self.store = KeyStore(redis, pepper=None, now_ms=now_ms)
        self._url = url

    async def finding(self, key: ApiKey, *, days_later: int = 0) -> str:
        """Return the finding about a key; empty if it is accepted."""
        fault = state_fault(await find_key(self._url, None, key), now_ms() + days_later * DAY_MS)
        return fault.finding if fault is not None else ""


@pytest.fixture
def keys(redis: Redis, valkey_url: str) -> Keys:
    return Keys(redis, valkey_url)


async def test_an_active_key_is_accepted_and_another_one_is_unknown(keys: Keys) -> None:
    _, key = await keys.store.create(owner="ann@example.com", key_name="a")
    assert await keys.finding(key) == ""
    assert await keys.finding(ApiKey.generate()) == "the key is unknown"


async def test_a_revoked_key_is_told_from_a_suspended_and_an_expired_one(keys: Keys) -> None:
    record, key = await keys.store.create(owner="ann@example.com", key_name="a", expires_at=now_ms() + DAY_MS)
    assert await keys.finding(key) == ""
    assert f"the key {record.key_id} of ann@example.com expired at " in await keys.finding(key, days_later=2)
    await keys.store.suspend(record.key_id, OPERATOR)
    assert "is suspended since" in await keys.finding(key)
    await keys.store.resume(record.key_id, OPERATOR)
    await keys.store.disable_owner("ann@example.com")
    assert "is suspended because its owner is disabled" in await keys.finding(key)
    await keys.store.revoke(record.key_id)
    assert "was revoked at" in await keys.finding(key)


async def test_the_secret_before_a_rotation_is_named(keys: Keys) -> None:
    record, key = await keys.store.create(owner="ann@example.com", key_name="a")
    rotated = await keys.store.rotate(record.key_id, 3600)
    assert rotated is not None
    assert await keys.finding(key) == ""
    assert "was rotated, and this secret ended at" in await keys.finding(key, days_later=1)
    assert await keys.finding(rotated[1], days_later=1) == ""
