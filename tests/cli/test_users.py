"""`mcp-gateway user` on a real Redis."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from gateway.accounts.audit_trail import AuditTrail
from gateway.accounts.user import User
from gateway.accounts.users import UserStore
from gateway.cli import main
from gateway.keys.store import KeyStore
from gateway.timestamps import now_ms
from tests.cli.support import Capture, on_redis, on_users

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def url(redis_url: str) -> str:
    """An empty Redis, configured as GATEWAY_REDIS_URL."""
    return redis_url


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that replaces standard input by a string."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def add_user(email: str, piped: Callable[[str], None], *flags: str) -> int:
    piped(PASSWORD + "\n")
    return main(["user", "add", email, "--password-stdin", *flags])


def test_an_added_user_can_log_in(url: str, piped: Callable[[str], None], capsys: Capture) -> None:
    assert add_user("Ada@Example.com", piped, "--admin") == 0
    assert capsys.readouterr().out == "ada@example.com can log in as an admin\n"

    async def verify(users: UserStore) -> User | None:
        return await users.authenticate("ada@example.com", PASSWORD)

    user = on_users(url, verify)
    assert user is not None
    assert user.is_admin


def test_a_terminal_is_prompted_for_the_password_twice(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append(options)
        return PASSWORD

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", prompt)
    assert main(["user", "add", "ada@example.com"]) == 0
    assert asked == [{"hide_input": True, "confirmation_prompt": True}]


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("ada@example.com", "short", "the password must have 8 to 1024 characters"),
        ("ada@example.com", "x" * 2000, "the password must have 8 to 1024 characters"),
        ("ada", PASSWORD, "ada is not an email address"),
        ("ada@example.com", "", "standard input has no password: pipe it in, on one line"),
    ],
)
def test_invalid_input_adds_no_user(
    email: str, password: str, message: str, piped: Callable[[str], None], capsys: Capture
) -> None:
    piped(password)
    assert main(["user", "add", email, "--password-stdin"]) == 1
    assert capsys.readouterr().err == f"mcp-gateway: {message}\n"
    assert main(["user", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"users": []}


def test_without_a_terminal_there_is_no_prompt(piped: Callable[[str], None], capsys: Capture) -> None:
    piped(PASSWORD)
    assert main(["user", "add", "ada@example.com"]) == 1
    assert "--password-stdin" in capsys.readouterr().err


def test_an_email_can_be_added_only_once(piped: Callable[[str], None], capsys: Capture) -> None:
    assert add_user("ada@example.com", piped) == 0
    assert add_user("ADA@example.com", piped) == 1
    assert "there is a user ADA@example.com already" in capsys.readouterr().err


def test_users_are_listed(piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("bob@example.com", piped)
    add_user("ada@example.com", piped, "--admin")
    capsys.readouterr()
    assert main(["user", "list"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("EMAIL")
    assert [row.split()[:3] for row in rows] == [
        ["ada@example.com", "admin", "active"],
        ["bob@example.com", "user", "active"],
    ]


def test_a_new_password_replaces_the_old_one(url: str, piped: Callable[[str], None]) -> None:
    add_user("ada@example.com", piped)
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


def test_disabling_a_user_suspends_the_keys_until_it_is_enabled_and_is_audited(
    url: str, piped: Callable[[str], None], capsys: Capture
) -> None:
    add_user("root@example.com", piped, "--admin")
    add_user("ada@example.com", piped)

    async def create_key(redis: Redis) -> None:
        await KeyStore(redis, pepper=None, now_ms=now_ms).create(owner="ada@example.com", key_name="one")

    async def statuses_and_actions(redis: Redis) -> tuple[list[str], list[str]]:
        keys = await KeyStore(redis, pepper=None, now_ms=now_ms).list("ada@example.com")
        trail = await AuditTrail(redis, now_ms=now_ms).newest(10)
        return [key.status(now_ms()) for key in keys], [stored.entry.action for stored in trail]

    on_redis(url, create_key)
    capsys.readouterr()
    assert main(["user", "disable", "ada@example.com"]) == 0
    assert capsys.readouterr().out == "ada@example.com is disabled; 1 key suspended\n"
    assert on_redis(url, statuses_and_actions) == (["suspended"], ["user.disable", "user.add", "user.add"])
    assert main(["user", "enable", "ada@example.com"]) == 0
    assert capsys.readouterr().out == "ada@example.com can log in again; 1 key resumed\n"
    assert on_redis(url, statuses_and_actions)[0] == ["active"]


def test_a_disabled_user_can_be_enabled(piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("root@example.com", piped, "--admin")
    add_user("ada@example.com", piped)
    assert main(["user", "disable", "ada@example.com"]) == 0
    piped("another good password\n")
    capsys.readouterr()
    assert main(["user", "password", "ada@example.com", "--password-stdin"]) == 0
    assert "is still disabled (`mcp-gateway user enable ada@example.com`)" in capsys.readouterr().out
    assert main(["user", "enable", "ada@example.com"]) == 0
    assert main(["user", "list", "--json"]) == 0
    assert '"disabled": true' not in capsys.readouterr().out
    assert main(["user", "enable", "nobody@example.com"]) == 1


def test_the_last_admin_cannot_be_disabled(piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("root@example.com", piped, "--admin")
    assert main(["user", "disable", "root@example.com"]) == 1
    assert "is the last admin" in capsys.readouterr().err
    assert main(["user", "disable", "nobody@example.com"]) == 1
    assert "there is no user nobody@example.com" in capsys.readouterr().err
