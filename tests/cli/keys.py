"""Keys that commands create, and the keys in Redis."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.accounts.users import UserStore
from gateway.cli import main
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.store import KeyStore
from gateway.timestamps import now_ms
from tests.cli.support import Capture, Result, on_redis, on_users
from tests.support.keys import find_record

OWNER = "ada@example.com"


def add_user(url: str, email: str) -> None:
    async def add(users: UserStore) -> None:
        await users.add(email, "correct horse battery")

    on_users(url, add)


def on_keys(url: str, work: Callable[[KeyStore], Awaitable[Result]], pepper: str | None = None) -> Result:
    return on_redis(url, lambda redis: work(KeyStore(redis, pepper=pepper, now_ms=now_ms)))


def find_key(url: str, secret: str, pepper: str | None = None) -> KeyRecord | None:
    async def find(keys: KeyStore) -> KeyRecord | None:
        return await find_record(keys, ApiKey.parse(secret))

    return on_keys(url, find, pepper)


def create_key(capsys: Capture, *flags: str) -> dict[str, Any]:
    assert main(["key", "create", "--name", "laptop", "--json", *flags]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def show_key(capsys: Capture, key_id: str) -> dict[str, Any]:
    assert main(["key", "show", key_id, "--json"]) == 0
    fields: dict[str, Any] = json.loads(capsys.readouterr().out)
    return fields
