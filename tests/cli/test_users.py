"""`mcp-gateway user` on a real Redis."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from gateway.accounts.password_links import PasswordLinks
from gateway.accounts.sessions import Sessions
from gateway.accounts.user import User
from gateway.accounts.users import UserStore
from gateway.cli import main
from gateway.keys.store import KeyStore
from gateway.timestamps import now_ms
from tests.cli.support import Capture, on_redis, on_users
from tests.support.audit import recorded_acts

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
    assert json.loads(capsys.readouterr().out) == {"users": [], "next_cursor": None}


def test_without_a_terminal_there_is_no_prompt(piped: Callable[[str], None], capsys: Capture) -> None:
    piped(PASSWORD)
    assert main(["user", "add", "ada@example.com"]) == 1
    assert "--password-stdin" in capsys.readouterr().err


def test_an_invalid_email_is_refused_before_the_password_is_asked_for(capsys: Capture) -> None:
    assert main(["user", "add", "ada"]) == 1
    assert capsys.readouterr().err == "mcp-gateway: ada is not an email address\n"


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


def test_users_are_listed_by_a_part_of_the_email_and_in_pages(url: str, capsys: Capture) -> None:
    async def add(users: UserStore) -> None:
        for email in ("a@example.com", "b@example.org", "c@example.com"):
            await users.add(email, None)

    on_users(url, add)

    def listed(*flags: str) -> tuple[list[str], str | None]:
        assert main(["user", "list", "--json", *flags]) == 0
        page = json.loads(capsys.readouterr().out)
        return [user["email"][0] for user in page["users"]], page["next_cursor"]

    assert listed("--q", "EXAMPLE.COM") == (["a", "c"], None)
    first, cursor = listed("--limit", "2")
    assert first == ["a", "b"]
    assert listed("--limit", "2", "--cursor", str(cursor)) == (["c"], None)
    assert main(["user", "list", "--limit", "1"]) == 0
    assert "the first 1 users: raise --limit to see more" in capsys.readouterr().err


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
        acts = await recorded_acts(redis)
        return [key.status(now_ms()) for key in keys], [act.act for act in acts]

    on_redis(url, create_key)
    capsys.readouterr()
    assert main(["user", "disable", "ada@example.com"]) == 0
    assert capsys.readouterr().out == "ada@example.com is disabled; 1 key suspended\n"
    assert on_redis(url, statuses_and_actions) == (
        ["suspended"],
        ["key.suspend", "user.disable", "user.add", "user.add"],
    )
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


def test_scripts_get_json_from_disabling_enabling_and_a_new_password(
    piped: Callable[[str], None], capsys: Capture
) -> None:
    add_user("root@example.com", piped, "--admin")
    add_user("ada@example.com", piped)
    assert main(["key", "create", "--owner", "ada@example.com", "--name", "one"]) == 0
    capsys.readouterr()
    assert main(["user", "disable", "ADA@example.com", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"email": "ada@example.com", "disabled": True, "suspended_keys": 1}
    piped("another good password\n")
    assert main(["user", "password", "ada@example.com", "--password-stdin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"email": "ada@example.com", "disabled": True}
    assert main(["user", "enable", "ada@example.com", "--json"]) == 0
    enabled = json.loads(capsys.readouterr().out)
    assert (enabled["email"], enabled["disabled"], enabled["resumed_keys"]) == ("ada@example.com", False, 1)


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
    assert json.loads(capsys.readouterr().out) == {"users": [], "next_cursor": None}


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


def test_a_user_is_deleted_once_the_keys_are_transferred(piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("root@example.com", piped, "--admin")
    add_user("ada@example.com", piped)
    assert main(["key", "create", "--owner", "ada@example.com", "--name", "one"]) == 0
    capsys.readouterr()
    assert main(["user", "delete", "ada@example.com", "--yes"]) == 1
    assert "ada@example.com owns 1 key: revoke them first, or name their new owner with --transfer-to" in (
        capsys.readouterr().err
    )
    assert main(["user", "delete", "ada@example.com", "--transfer-to", "nobody@example.com", "--yes"]) == 1
    assert "--transfer-to must be the email of a user" in capsys.readouterr().err
    assert main(["user", "delete", "ada@example.com", "--transfer-to", "root@example.com", "--yes"]) == 0
    assert capsys.readouterr().out == "ada@example.com is deleted; 1 key transferred to root@example.com\n"
    assert main(["key", "list", "--owner", "root@example.com", "--json"]) == 0
    assert [key["key_name"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["one"]
    assert main(["user", "delete", "ada@example.com", "--yes"]) == 1
    assert main(["user", "delete", "root@example.com", "--yes"]) == 1
    assert "root@example.com is the last admin" in capsys.readouterr().err


def test_an_invited_user_accepts_the_printed_link(url: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert main(["user", "add", "ada@example.com", "--invite", "--role", "auditor"]) == 0
    first, link = capsys.readouterr().out.splitlines()
    assert first.startswith("ada@example.com sets the password with this link, once, until 20")
    assert link.startswith("http://127.0.0.1:8000/#/accept?token=")
    main(["user", "list"])
    assert "invited" in capsys.readouterr().out
    monkeypatch.setenv("GATEWAY_ADMIN_PUBLIC_URL", "https://admin.example.com/gateway")
    assert main(["user", "reset-link", "ada@example.com", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["link"].startswith("https://admin.example.com/gateway/#/accept?token=")
    token = printed["link"].partition("token=")[2]

    async def accept(redis: Redis) -> User:
        users = UserStore(redis, now_ms=now_ms)
        try:
            return await PasswordLinks(redis, users, now_ms=now_ms).redeem(token, PASSWORD)
        finally:
            users.passwords.close()

    user = on_redis(url, accept)
    assert (user.email, user.role, user.is_invited) == ("ada@example.com", "auditor", False)
    assert main(["user", "add", "ada@example.com", "--invite"]) == 1
    assert "there is a user ada@example.com already" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--service", "--password-stdin"])
def test_an_invitation_contradicts_other_kinds_of_users(flag: str, capsys: Capture) -> None:
    assert main(["user", "add", "ada@example.com", "--invite", flag]) == 1
    assert "--invite contradicts" in capsys.readouterr().err


def test_a_service_account_gets_no_link(capsys: Capture) -> None:
    main(["user", "add", "ci@example.com", "--service"])
    capsys.readouterr()
    assert main(["user", "reset-link", "ci@example.com"]) == 1
    assert "a service account has no password" in capsys.readouterr().err


def test_the_logins_of_a_user_are_listed_and_ended(url: str, piped: Callable[[str], None], capsys: Capture) -> None:
    add_user("ada@example.com", piped)
    capsys.readouterr()

    async def start(redis: Redis) -> str:
        users = UserStore(redis, now_ms=now_ms)
        users.passwords.close()
        user = await users.get("ada@example.com")
        assert user is not None
        return (await Sessions(redis, now_ms=now_ms).start(user, "192.0.2.7", "curl/8\x1b[31m")).id

    session_id, other_id = on_redis(url, start), on_redis(url, start)
    assert main(["user", "sessions", "ada@example.com", "--end", "--session-id", other_id]) == 0
    assert capsys.readouterr().out == "1 login of ada@example.com ended\n"
    assert main(["user", "sessions", "ada@example.com", "--end", "--session-id", other_id]) == 1
    assert f"ada@example.com has no login {other_id}" in capsys.readouterr().err
    assert main(["user", "sessions", "ada@example.com"]) == 0
    shown = capsys.readouterr().out
    assert session_id in shown
    assert "192.0.2.7" in shown
    assert "\x1b" not in shown
    assert main(["user", "sessions", "ada@example.com", "--json"]) == 0
    assert [one["session_id"] for one in json.loads(capsys.readouterr().out)["sessions"]] == [session_id]
    assert main(["user", "sessions", "ada@example.com", "--end"]) == 0
    assert capsys.readouterr().out == "1 login of ada@example.com ended\n"
    assert main(["user", "sessions", "ada@example.com", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sessions": [], "ended": False}
