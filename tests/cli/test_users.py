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
        ("ada@example.com", "short", "the password must have 10 to 1024 characters"),
        ("ada@example.com", "x" * 2000, "the password must have 10 to 1024 characters"),
        (
            "ada@example.com",
            "qwertyuiop",
            "the password must not be one of the 10,000 most common passwords: "
            "choose another, such as four random words",
        ),
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
    assert [row.split()[:4] for row in rows] == [
        ["ada@example.com", "admin", "user", "active"],
        ["bob@example.com", "member", "user", "active"],
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


def test_a_service_account_is_added_without_a_password(url: str, capsys: Capture) -> None:
    assert main(["user", "add", "ci@example.com", "--service", "--json"]) == 0
    added = json.loads(capsys.readouterr().out)
    assert (added["kind"], added["role"], added["is_admin"], added["policy"]) == ("service", "member", False, {})
    assert main(["key", "create", "--owner", "ci@example.com", "--name", "one"]) == 0
    assert main(["user", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:4] == ["ci@example.com", "member", "service", "active"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--service", "--role", "admin"], "--role must be member for a service account, which cannot log in"),
        (["--service", "--password-stdin"], "--service and --password-stdin contradict each other"),
        (["--admin", "--role", "member"], "--admin and --role member contradict each other"),
    ],
)
def test_options_that_contradict_each_other_add_no_user(flags: list[str], message: str, capsys: Capture) -> None:
    assert main(["user", "add", "ci@example.com", *flags]) == 1
    assert message in capsys.readouterr().err
    assert main(["user", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"users": []}


def test_a_service_account_gets_no_password(piped: Callable[[str], None], capsys: Capture) -> None:
    main(["user", "add", "ci@example.com", "--service"])
    piped("another password\n")
    assert main(["user", "password", "ci@example.com", "--password-stdin"]) == 1
    assert "ci@example.com is a service account, which has no password" in capsys.readouterr().err


def test_the_role_of_a_user_is_changed(piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("root@example.com", piped, "--admin")
    add_user("eve@example.com", piped, "--role", "auditor")
    assert "eve@example.com can log in as an auditor" in capsys.readouterr().out
    assert main(["user", "update", "eve@example.com", "--role", "member"]) == 0
    assert capsys.readouterr().out == "eve@example.com is a member\n"
    assert main(["user", "update", "eve@example.com", "--role", "admin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["role"] == "admin"
    assert main(["user", "update", "root@example.com", "--role", "auditor"]) == 0
    assert main(["user", "update", "eve@example.com", "--role", "member"]) == 1
    assert "eve@example.com is the last admin" in capsys.readouterr().err
    assert main(["user", "update", "nobody@example.com", "--role", "member"]) == 1
    assert main(["key", "create", "--owner", "root@example.com", "--name", "one"]) == 1
    assert "root@example.com is an auditor, who owns no keys" in capsys.readouterr().err


def test_a_policy_is_shown_and_changed(url: str, piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("ada@example.com", piped)
    capsys.readouterr()
    assert main(["user", "policy", "ada@example.com"]) == 0
    assert capsys.readouterr().out == "ada@example.com has no policy: no scopes and no limits\n"
    options = ["--calls-per-day", "1000", "--allowed-tool", "query_*", "--max-keys", "3", "--read-only"]
    defaults = ["expires-days=30", "allowed-tools=a,b", "tool-rate-limits=run_*=5", "read-only=true"]
    flags = [part for default in defaults for part in ("--default", default)]
    assert main(["user", "policy", "ada@example.com", *options, *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "allowed_tools": ["query_*"],
        "read_only": True,
        "calls_per_day": 1000,
        "max_keys": 3,
        "defaults": {
            "allowed_tools": ["a", "b"],
            "read_only": True,
            "tool_rate_limits": {"run_*": 5},
            "expires_days": 30,
        },
    }
    changes = ["--clear", "allowed-tools", "--no-read-only", "--default", "allowed-tools=", "--default", "read-only="]
    assert main(["user", "policy", "ada@example.com", *changes, "--default", "tool-rate-limits="]) == 0
    assert capsys.readouterr().out.split() == ["calls_per_day", "1000", "max_keys", "3", "defaults", "expires_days=30"]
    assert main(["user", "policy", "ada@example.com", "--clear", "defaults", "--clear", "max-keys", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"calls_per_day": 1000}

    async def actions(redis: Redis) -> list[tuple[str, str]]:
        trail = await AuditTrail(redis, now_ms=now_ms).newest(1)
        return [(stored.entry.action, stored.entry.details["policy"]) for stored in trail]

    assert on_redis(url, actions) == [("user.update", '{"defaults":null,"max_keys":null}')]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--max-key-days", "5000"], "--max-key-days must be a whole number of days from 1 to 3650"),
        (["--calls-per-day", str(10**13)], "--calls-per-day must be a whole number from 1 to 1000000000000"),
        (["--allowed-ip", "10.0.0.1/8"], "--allowed-ip must be addresses or networks such as"),
        (["--default", "calls-per-day=-1"], "--default calls-per-day must be a whole number from 1"),
        (["--default", "read-only=yes"], "--default read-only must be true or false"),
        (["--default", "calls-per-day=" + "9" * 5000], "--default calls-per-day must be a whole number from 1"),
        (["--tool-rate-limit", "run_*=" + "9" * 5000], "write it as GLOB=N"),
        (["--default", "max-keys=1"], "--default max-keys=1: write it as NAME=VALUE, with one of the names"),
        (["--default", "calls-per-day"], "--default calls-per-day: write it as NAME=VALUE"),
        (["--clear", "labels"], "--clear labels: use one of allowed-tools"),
        (["--clear", "max-keys", "--max-keys", "3"], "--max-keys: set it or clear it, not both"),
        (["--clear", "defaults", "--default", "max-concurrent=3"], "--default: set it or clear it, not both"),
    ],
)
def test_an_invalid_policy_is_refused_by_its_flag(
    flags: list[str], message: str, piped: Callable[[str], None], capsys: Capture
) -> None:
    add_user("ada@example.com", piped)
    assert main(["user", "policy", "ada@example.com", *flags]) == 1
    assert message in capsys.readouterr().err
    assert main(["user", "policy", "ada@example.com", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {}


def test_the_policy_of_an_unknown_user_is_refused(capsys: Capture) -> None:
    for flags in ([], ["--max-keys", "1"]):
        assert main(["user", "policy", "nobody@example.com", *flags]) == 1
        assert "there is no user nobody@example.com" in capsys.readouterr().err


def test_a_user_is_deleted_once_the_keys_are_transferred(piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("root@example.com", piped, "--admin")
    add_user("ada@example.com", piped)
    assert main(["key", "create", "--owner", "ada@example.com", "--name", "one"]) == 0
    capsys.readouterr()
    assert main(["user", "delete", "ada@example.com"]) == 1
    assert "ada@example.com owns 1 key: revoke them first, or name their new owner with --transfer-to" in (
        capsys.readouterr().err
    )
    assert main(["user", "delete", "ada@example.com", "--transfer-to", "nobody@example.com"]) == 1
    assert "--transfer-to must be the email of a user" in capsys.readouterr().err
    assert main(["user", "delete", "ada@example.com", "--transfer-to", "root@example.com"]) == 0
    assert capsys.readouterr().out == "ada@example.com is deleted; 1 key transferred to root@example.com\n"
    assert main(["key", "list", "--owner", "root@example.com", "--json"]) == 0
    assert [key["key_name"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["one"]
    assert main(["user", "delete", "ada@example.com"]) == 1
    assert main(["user", "delete", "root@example.com"]) == 1
    assert "root@example.com is the last admin" in capsys.readouterr().err
