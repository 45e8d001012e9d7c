"""`mcp-gateway user policy` on a real Redis."""

from __future__ import annotations

import json

import pytest

from gateway.cli import main
from tests.cli.support import Capture, on_redis
from tests.support.audit import recorded_acts


@pytest.fixture(autouse=True)
def url(redis_url: str) -> str:
    """A Redis with one account, configured as GATEWAY_REDIS_URL."""
    assert main(["user", "add", "ada@example.com", "--service"]) == 0
    return redis_url


def test_a_policy_is_shown_and_changed(url: str, capsys: Capture) -> None:
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

    newest = on_redis(url, recorded_acts)[0]
    assert (newest.act, newest.object, newest.after["policy"]["max_keys"]) == ("user.update", "ada@example.com", None)
    assert newest.before["policy"]["defaults"] == {"expires_days": 30}


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
def test_an_invalid_policy_is_refused_by_its_flag(flags: list[str], message: str, capsys: Capture) -> None:
    assert main(["user", "policy", "ada@example.com", *flags]) == 1
    assert message in capsys.readouterr().err
    assert main(["user", "policy", "ada@example.com", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {}


def test_the_policy_of_an_unknown_user_is_refused(capsys: Capture) -> None:
    for flags in ([], ["--max-keys", "1"]):
        assert main(["user", "policy", "nobody@example.com", *flags]) == 1
        assert "there is no user nobody@example.com" in capsys.readouterr().err
