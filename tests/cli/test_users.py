"""`mcp-gateway user` on a real Redis."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.accounts.audit_trail import AuditTrail
from gateway.accounts.users import User, UserStore
from gateway.cli import main
from gateway.keys.store import KeyStore
from gateway.redis.client import connect
from gateway.timestamps import now_ms

Capture = pytest.CaptureFixture[str]
Result = TypeVar("Result")
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def url(valkey_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An emptied Redis that the command line is configured for."""
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    monkeypatch.chdir(tmp_path)

    async def flush() -> None:
        redis = connect(valkey_url)
        await redis.flushall()
        await redis.aclose()

    asyncio.run(flush())
    return valkey_url


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a text on standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def on_users(url: str, work: Callable[[UserStore], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        redis = connect(url)
        users = UserStore(redis, now_ms=now_ms)
        try:
            return await work(users)
        finally:
            users.passwords.close()
            await redis.aclose()

    return asyncio.run(run())


def added(email: str, piped: Callable[[str], None], *flags: str) -> int:
    piped(PASSWORD + "\n")
    return main(["user", "add", email, "--password-stdin", *flags])


def test_an_added_user_may_log_in(url: str, piped: Callable[[str], None], capsys: Capture) -> None:
    assert added("Ada@Example.com", piped, "--admin") == 0
    assert capsys.readouterr().out == "ada@example.com can log in as an admin\n"

    async def verify(users: UserStore) -> User | None:
        return await users.authenticate("ada@example.com", PASSWORD)

    user = on_users(url, verify)
    assert user is not None
    assert user.is_admin


def test_a_password_is_asked_for_twice_on_a_terminal(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append(options)
        return PASSWORD

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", prompt)
    assert main(["user", "add", "ada@example.com"]) == 0
    assert asked == [{"hide_input": True, "confirmation_prompt": True}]


@pytest.mark.parametrize(
    ("email", "password", "says"),
    [
        ("ada@example.com", "short", "the password must have 8 to 1024 characters"),
        ("ada@example.com", "x" * 2000, "the password must have 8 to 1024 characters"),
        ("ada", PASSWORD, "ada is not an email address"),
        ("ada@example.com", "", "standard input has no password: pipe it in, on one line"),
    ],
)
def test_bad_input_adds_nobody(
    email: str, password: str, says: str, piped: Callable[[str], None], capsys: Capture
) -> None:
    piped(password)
    assert main(["user", "add", email, "--password-stdin"]) == 1
    assert capsys.readouterr().err == f"mcp-gateway: {says}\n"
    assert main(["user", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"users": []}


def test_without_a_terminal_nothing_is_asked(piped: Callable[[str], None], capsys: Capture) -> None:
    piped(PASSWORD)
    assert main(["user", "add", "ada@example.com"]) == 1
    assert "--password-stdin" in capsys.readouterr().err


def test_a_second_user_of_one_email_is_refused(piped: Callable[[str], None], capsys: Capture) -> None:
    assert added("ada@example.com", piped) == 0
    assert added("ADA@example.com", piped) == 1
    assert "there is a user ADA@example.com already" in capsys.readouterr().err


def test_users_are_listed(piped: Callable[[str], None], capsys: Capture) -> None:
    added("bob@example.com", piped)
    added("ada@example.com", piped, "--admin")
    capsys.readouterr()
    assert main(["user", "list"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("EMAIL")
    assert [row.split()[:3] for row in rows] == [
        ["ada@example.com", "admin", "active"],
        ["bob@example.com", "user", "active"],
    ]


def test_a_new_password_replaces_the_old_one(url: str, piped: Callable[[str], None]) -> None:
    added("ada@example.com", piped)
    piped("another password\n")
    assert main(["user", "password", "ada@example.com", "--password-stdin"]) == 0

    async def verify(users: UserStore) -> tuple[User | None, User | None]:
        return await users.authenticate("ada@example.com", PASSWORD), await users.authenticate(
            "ada@example.com", "another password"
        )

    old, new = on_users(url, verify)
    assert old is None
    assert new is not None
    piped("another password\n")
    assert main(["user", "password", "nobody@example.com", "--password-stdin"]) == 1


def test_disabling_a_user_revokes_the_keys_and_is_audited(
    url: str, piped: Callable[[str], None], capsys: Capture
) -> None:
    added("root@example.com", piped, "--admin")
    added("ada@example.com", piped)

    async def make_and_see() -> tuple[list[str], list[str]]:
        redis = connect(url)
        keys = KeyStore(redis, pepper=None, now_ms=now_ms)
        statuses = [record.status(now_ms()) for record in await keys.list("ada@example.com")]
        trail = [entry.entry.action for entry in await AuditTrail(redis, now_ms=now_ms).newest(10)]
        if not statuses:
            await keys.create(owner="ada@example.com", key_name="one")
        await redis.aclose()
        return list(statuses), trail

    asyncio.run(make_and_see())
    capsys.readouterr()
    assert main(["user", "disable", "ada@example.com"]) == 0
    assert capsys.readouterr().out == "ada@example.com is disabled; 1 key revoked\n"
    statuses, trail = asyncio.run(make_and_see())
    assert statuses == ["revoked"]
    assert trail == ["user.disable", "user.add", "user.add"]


def test_a_disabled_user_is_told_of_and_can_be_enabled(piped: Callable[[str], None], capsys: Capture) -> None:
    added("root@example.com", piped, "--admin")
    added("ada@example.com", piped)
    assert main(["user", "disable", "ada@example.com"]) == 0
    piped("another good password\n")
    capsys.readouterr()
    assert main(["user", "password", "ada@example.com", "--password-stdin"]) == 0
    assert "is still disabled (`mcp-gateway user enable ada@example.com`)" in capsys.readouterr().out
    assert main(["user", "enable", "ada@example.com"]) == 0
    assert main(["user", "list", "--json"]) == 0
    assert '"disabled": true' not in capsys.readouterr().out
    assert main(["user", "enable", "nobody@example.com"]) == 1


def test_the_last_admin_stays(piped: Callable[[str], None], capsys: Capture) -> None:
    added("root@example.com", piped, "--admin")
    assert main(["user", "disable", "root@example.com"]) == 1
    assert "is the last admin" in capsys.readouterr().err
    assert main(["user", "disable", "nobody@example.com"]) == 1
    assert "there is no user nobody@example.com" in capsys.readouterr().err
