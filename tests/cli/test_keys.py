"""`mcp-gateway key` on a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from admin_api.endpoints.key_models import CreatedKey, KeyItem
from gateway.accounts.audit_trail import AuditTrail
from gateway.accounts.users import UserStore
from gateway.cli import main
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.store import KeyStore
from gateway.redis.client import connect
from gateway.timestamps import now_ms

Capture = pytest.CaptureFixture[str]
Result = TypeVar("Result")
OWNER = "ada@example.com"
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def url(valkey_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A Redis with one user, that the command line is configured for."""
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    monkeypatch.chdir(tmp_path)
    add_user(valkey_url, OWNER, flush=True)
    return valkey_url


def add_user(url: str, email: str, *, flush: bool = False) -> None:
    async def run() -> None:
        redis = connect(url)
        if flush:
            await redis.flushall()
        users = UserStore(redis, now_ms=now_ms)
        await users.add(email, "correct horse battery")
        users.passwords.close()
        await redis.aclose()

    asyncio.run(run())


def on_keys(url: str, work: Callable[[KeyStore], Awaitable[Result]], pepper: str | None = None) -> Result:
    async def run() -> Result:
        redis = connect(url)
        try:
            return await work(KeyStore(redis, pepper=pepper, now_ms=now_ms))
        finally:
            await redis.aclose()

    return asyncio.run(run())


def found(url: str, secret: str, pepper: str | None = None) -> KeyRecord | None:
    async def find(keys: KeyStore) -> KeyRecord | None:
        return await keys.find(ApiKey.parse(secret))

    return on_keys(url, find, pepper)


def made(capsys: Capture, *flags: str) -> dict[str, Any]:
    assert main(["key", "create", "--name", "laptop", "--json", *flags]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_a_created_key_works_and_its_json_is_that_of_the_api(url: str, capsys: Capture) -> None:
    result = made(capsys)
    assert set(result) == set(CreatedKey.__struct_fields__)
    record = found(url, result["api_key"])
    assert record is not None
    assert (record.key_id, record.owner, record.key_name) == (result["key_id"], OWNER, "laptop")


def test_a_key_is_shown_once_to_people_too(url: str, capsys: Capture) -> None:
    assert main(["key", "create", "--name", "laptop"]) == 0
    shown = capsys.readouterr().out
    secret = shown.splitlines()[0].split()[-1]
    assert found(url, secret) is not None
    for command in (["key", "list"], ["key", "list", "--json"]):
        assert main(command) == 0
        assert secret not in capsys.readouterr().out


def test_every_limit_can_be_set(url: str, capsys: Capture) -> None:
    flags = (
        "--expires-days 3 --allowed-tool query_* --allowed-tool list --allowed-table t --allowed-ip 10.0.0.0/8"
        " --rate-limit-per-minute 1 --records-per-day 2 --calls-per-day 3 --label team=data --label a=b=c"
    )
    result = made(capsys, *flags.split())
    record = found(url, result["api_key"])
    assert record is not None
    assert record.allowed_tools == ("query_*", "list")
    assert record.allowed_tables == ("t",)
    assert record.allowed_ips == ("10.0.0.0/8",)
    assert (record.rate_limit_per_minute, record.records_per_day, record.calls_per_day) == (1, 2, 3)
    assert record.labels == {"team": "data", "a": "b=c"}
    assert record.expires_at is not None
    assert abs(record.expires_at - now_ms() - 3 * DAY_MS) < 60_000


def test_the_pepper_of_the_settings_is_used(url: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GATEWAY_KEY_PEPPER", "p" * 32)
    secret = made(capsys)["api_key"]
    assert found(url, secret) is None
    assert found(url, secret, "p" * 32) is not None


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--allowed-ip 10.0.0.1/8", "--allowed-ip takes addresses and networks"),
        ("--label team", "--label team: write it as NAME=VALUE, such as team=data"),
        ("--owner nobody@example.com", "there is no user nobody@example.com: add it with"),
    ],
)
def test_bad_input_makes_no_key(flags: str, says: str, capsys: Capture) -> None:
    assert main(["key", "create", "--name", "laptop", *flags.split()]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mcp-gateway: {says}")
    assert main(["key", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"keys": []}


def test_with_several_users_the_owner_is_asked_for(url: str, capsys: Capture) -> None:
    add_user(url, "bob@example.com")
    assert main(["key", "create", "--name", "laptop"]) == 1
    assert "there are 2 users: name the owner of the key with --owner EMAIL" in capsys.readouterr().err
    assert made(capsys, "--owner", "BOB@example.com")["key_id"]
    made(capsys, "--owner", OWNER)
    assert main(["key", "list", "--owner", "bob@example.com", "--json"]) == 0
    assert [key["owner"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["bob@example.com"]


def test_a_listed_key_has_the_fields_of_the_api(url: str, capsys: Capture) -> None:
    key_id = made(capsys)["key_id"]

    async def use(keys: KeyStore) -> None:
        await keys.record_last_used({key_id: now_ms()})

    on_keys(url, use)
    assert main(["key", "list", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)["keys"]
    assert set(listed) == set(KeyItem.__struct_fields__)
    msgspec.convert(listed, KeyItem)
    assert listed["last_used_at"] is not None
    assert main(["key", "show", key_id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == listed
    assert main(["key", "show", key_id]) == 0
    assert f"key_id                 {key_id}" in capsys.readouterr().out


def test_a_revoked_key_is_revoked_and_that_may_be_repeated(url: str, capsys: Capture) -> None:
    result = made(capsys)
    for _ in range(2):
        assert main(["key", "revoke", result["key_id"]]) == 0
    assert capsys.readouterr().out == f"{result['key_id']} is revoked\n" * 2
    record = found(url, result["api_key"])
    assert record is not None
    assert record.status(now_ms()) == "revoked"
    assert main(["key", "rotate", result["key_id"]]) == 1
    assert main(["key", "update", result["key_id"], "--name", "x"]) == 1
    assert capsys.readouterr().err.count("is revoked, which is permanent: create a new key") == 2


def test_a_rotated_key_has_a_new_secret_and_the_same_id(url: str, capsys: Capture) -> None:
    first = made(capsys)
    assert main(["key", "rotate", first["key_id"], "--overlap-seconds", "60", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["key_id"] == first["key_id"]
    assert found(url, first["api_key"]) is not None
    assert main(["key", "rotate", first["key_id"], "--json"]) == 0
    assert found(url, first["api_key"]) is None
    assert found(url, second["api_key"]) is None


def test_an_update_sets_and_clears(url: str, capsys: Capture) -> None:
    result = made(capsys, "--calls-per-day", "5", "--expires-days", "3", "--label", "a=b")
    key_id = result["key_id"]
    flags = "--name renamed --records-per-day 7 --clear calls-per-day --clear expires --clear labels"
    assert main(["key", "update", key_id, *flags.split()]) == 0
    record = found(url, result["api_key"])
    assert record is not None
    assert (record.key_name, record.records_per_day, record.calls_per_day) == ("renamed", 7, None)
    assert (record.expires_at, record.labels) == (None, {})
    assert main(["key", "update", key_id]) == 1
    assert main(["key", "update", key_id, "--clear", "name"]) == 1
    assert main(["key", "update", "key_none", "--name", "x"]) == 1


def test_an_api_key_in_the_place_of_a_key_id_is_not_echoed(capsys: Capture) -> None:
    secret = made(capsys)["api_key"]
    for command in ("show", "revoke", "rotate"):
        assert main(["key", command, secret]) == 1
        error = capsys.readouterr().err
        assert "use its key id" in error
        assert secret not in error


def test_what_was_done_is_in_the_audit_trail(url: str, capsys: Capture) -> None:
    key_id = made(capsys)["key_id"]
    main(["key", "update", key_id, "--name", "x"])
    main(["key", "rotate", key_id])
    main(["key", "revoke", key_id])

    async def newest() -> list[tuple[str, str | None, str | None]]:
        redis = connect(url)
        entries = [stored.entry for stored in await AuditTrail(redis, now_ms=now_ms).newest(10)]
        await redis.aclose()
        return [(entry.action, entry.key_id, entry.owner) for entry in entries]

    actions = ["key.revoke", "key.rotate", "key.update", "key.create"]
    assert asyncio.run(newest()) == [(action, key_id, OWNER) for action in actions]
