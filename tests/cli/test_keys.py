"""`mcp-gateway key` on a real Redis."""

from __future__ import annotations

import getpass
import json
import re
from typing import Any

import msgspec
import pytest

from admin_api.endpoints.keys.models import CreatedKey, KeyDetails, KeyItem
from gateway.cli import main
from gateway.cli.keys.options import RESTRICTIONS
from gateway.keys import limits
from gateway.keys.record import KeyRestrictions, Restrictions
from gateway.keys.store import KeyStore
from gateway.timestamps import now_ms
from tests.cli.keys import OWNER, add_user, create_key, find_key, on_keys, show_key
from tests.cli.support import Capture, on_redis
from tests.support.audit import recorded_acts
from tests.support.keys import record_use
from tests.usage.support import DAY_MS

pytestmark = pytest.mark.usefixtures("url")


def test_a_created_key_is_valid_and_its_json_is_that_of_the_api(url: str, capsys: Capture) -> None:
    result = create_key(capsys)
    assert set(result) == set(CreatedKey.__struct_fields__)
    record = find_key(url, result["api_key"])
    assert record is not None
    assert (record.key_id, record.owner, record.key_name) == (result["key_id"], OWNER, "laptop")


def test_the_api_key_is_shown_only_at_its_creation(url: str, capsys: Capture) -> None:
    assert main(["key", "create", "--name", "laptop"]) == 0
    shown = capsys.readouterr().out
    secret = shown.splitlines()[0].split()[-1]
    assert find_key(url, secret) is not None
    for command in (["key", "list"], ["key", "list", "--json"]):
        assert main(command) == 0
        assert secret not in capsys.readouterr().out


def test_every_scope_and_limit_can_be_set(url: str, capsys: Capture) -> None:
    flags = (
        "--expires-days 3 --allowed-tool query_* --allowed-tool list --allowed-table t --allowed-ip 10.0.0.0/8"
        " --rate-limit-per-minute 1 --records-per-day 2 --calls-per-day 3 --records-per-month 4 --calls-per-month 5"
        " --tool-rate-limit run_*=6 --tool-rate-limit a=b=7 --label team=data --label a=b=c"
    )
    result = create_key(capsys, *flags.split())
    record = find_key(url, result["api_key"])
    assert record is not None
    assert record.allowed_tools == ("query_*", "list")
    assert record.allowed_tables == ("t",)
    assert record.allowed_ips == ("10.0.0.0/8",)
    assert (record.rate_limit_per_minute, record.records_per_day, record.calls_per_day) == (1, 2, 3)
    assert (record.records_per_month, record.calls_per_month) == (4, 5)
    assert record.tool_rate_limits == {"run_*": 6, "a=b": 7}
    assert record.labels == {"team": "data", "a": "b=c"}
    assert record.expires_at is not None
    assert abs(record.expires_at - now_ms() - 3 * DAY_MS) < 60_000


def test_the_configured_pepper_is_used(url: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GATEWAY_KEY_PEPPER", "p" * 32)
    secret = create_key(capsys)["api_key"]
    assert find_key(url, secret) is None
    assert find_key(url, secret, "p" * 32) is not None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--allowed-ip 10.0.0.1/8", "--allowed-ip must be addresses or networks"),
        ("--label team", "--label team: write it as NAME=VALUE, such as team=data"),
        ("--owner nobody@example.com", "there is no user nobody@example.com: add it with"),
    ],
)
def test_invalid_options_create_no_key(flags: str, message: str, capsys: Capture) -> None:
    assert main(["key", "create", "--name", "laptop", *flags.split()]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mcp-gateway: {message}")
    assert main(["key", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"keys": [], "total": 0}


def test_with_several_users_the_owner_is_required(url: str, capsys: Capture) -> None:
    add_user(url, "bob@example.com")
    assert main(["key", "create", "--name", "laptop"]) == 1
    assert "there are 2 users: name the owner of the key with --owner EMAIL" in capsys.readouterr().err
    assert create_key(capsys, "--owner", "BOB@example.com")["key_id"]
    create_key(capsys, "--owner", OWNER)
    assert main(["key", "list", "--owner", "bob@example.com", "--json"]) == 0
    assert [key["owner"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["bob@example.com"]


def test_a_listed_key_has_the_fields_of_the_api(url: str, capsys: Capture) -> None:
    key_id = create_key(capsys)["key_id"]

    async def use(keys: KeyStore) -> None:
        await record_use(keys, key_id, now_ms())

    on_keys(url, use)
    assert main(["key", "list", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)["keys"]
    assert set(listed) == set(KeyItem.__struct_fields__)
    msgspec.convert(listed, KeyItem)
    assert listed["last_used_at"] is not None


def test_a_shown_key_has_the_fields_of_the_api(url: str, capsys: Capture) -> None:
    key_id = create_key(capsys, "--calls-per-day", "5", "--tool-rate-limit", "run_*=6")["key_id"]
    assert main(["key", "list", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)["keys"]
    shown = show_key(capsys, key_id)
    msgspec.convert(shown, KeyDetails)
    limits, secrets, etag = shown.pop("limits"), shown.pop("secrets"), shown.pop("etag")
    assert etag.isalnum()
    assert shown == listed
    assert [(one["name"], one.get("tool"), one["left"]) for one in limits] == [
        ("calls_per_day", None, 5),
        ("tool_rate_limits", "run_*", 6),
    ]
    assert secrets == [
        {
            "prefix": listed["key_prefix"],
            "since": listed["created_at"],
            "until": None,
            "last_used_at": None,
            "client": None,
            "address": None,
        }
    ]
    assert main(["key", "show", key_id]) == 0
    printed = capsys.readouterr().out
    assert f"key_id                 {key_id}" in printed
    assert re.search(r"^tool_rate_limits +key +6 +0 +6 +- +run_\*$", printed, re.MULTILINE)
    assert re.search(rf"^{listed['key_prefix']} +{listed['created_at']} +- +- +- +-$", printed, re.MULTILINE)


def test_a_limit_below_what_is_used_is_set_with_a_warning(url: str, capsys: Capture) -> None:
    key_id = create_key(capsys)["key_id"]
    counter = limits.counter(key_id, "calls", "month", now_ms() // 1000)
    on_redis(url, lambda redis: redis.set(counter, 7))
    assert main(["key", "update", key_id, "--calls-per-month", "5", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["calls_per_month"] == 5
    assert printed.err.startswith(
        "mcp-gateway: warning: calls_per_month is set to 5, of which 7 are used already; it resets at "
    )
    assert main(["key", "update", key_id, "--calls-per-month", "8"]) == 0
    assert capsys.readouterr().err == ""


def test_a_key_can_be_revoked_repeatedly(url: str, capsys: Capture) -> None:
    result = create_key(capsys)
    for _ in range(2):
        assert main(["key", "revoke", result["key_id"]]) == 0
    assert capsys.readouterr().out == f"{result['key_id']} is revoked\n" * 2
    record = find_key(url, result["api_key"])
    assert record is not None
    assert record.status(now_ms()) == "revoked"
    assert main(["key", "rotate", result["key_id"]]) == 1
    assert main(["key", "update", result["key_id"], "--name", "x"]) == 1
    assert capsys.readouterr().err.count("is revoked, which is permanent: create a new key") == 2


def test_a_key_is_suspended_and_resumed_repeatedly(url: str, capsys: Capture) -> None:
    result = create_key(capsys)
    key_id = result["key_id"]
    for command, status in (("suspend", "suspended"), ("resume", "active")):
        for _ in range(2):
            assert main(["key", command, key_id]) == 0
            assert capsys.readouterr().out == f"{key_id} is {status}\n"
        assert main(["key", command, key_id, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"key_id": key_id, "status": status}
        record = find_key(url, result["api_key"])
        assert record is not None
        assert record.status(now_ms()) == status
    main(["key", "revoke", key_id])
    for command in ("suspend", "resume"):
        assert main(["key", command, key_id]) == 1
        assert "is revoked, which is permanent" in capsys.readouterr().err


def test_the_key_of_a_disabled_user_is_not_resumed(url: str, capsys: Capture) -> None:
    key_id = create_key(capsys)["key_id"]
    assert on_keys(url, lambda keys: keys.disable_owner(OWNER)) == 1
    assert main(["key", "resume", key_id]) == 1
    assert f"enable the user first (`mcp-gateway user enable {OWNER}`)" in capsys.readouterr().err


def test_what_the_command_line_sets_is_a_ceiling_and_clear_lifts_it(url: str, capsys: Capture) -> None:
    result = create_key(capsys, "--calls-per-day", "5", "--allowed-tool", "query_*")
    key_id = result["key_id"]
    record = find_key(url, result["api_key"])
    assert record is not None
    assert record.ceiling == KeyRestrictions(calls_per_day=5, allowed_tools=("query_*",))
    assert main(["key", "show", key_id]) == 0
    assert "ceiling                allowed_tools=query_*, calls_per_day=5\n" in capsys.readouterr().out
    flags = "--records-per-day 7 --clear calls-per-day --clear allowed-tools"
    assert main(["key", "update", key_id, *flags.split()]) == 0
    record = find_key(url, result["api_key"])
    assert record is not None
    assert record.ceiling == KeyRestrictions(records_per_day=7)


def test_limits_of_tools_are_shown_and_cleared(url: str, capsys: Capture) -> None:
    result = create_key(capsys, "--tool-rate-limit", "run_*=6", "--calls-per-month", "5")
    key_id = result["key_id"]
    assert main(["key", "show", key_id]) == 0
    shown = capsys.readouterr().out
    assert "tool_rate_limits       run_*=6\n" in shown
    assert "calls_per_month        5\n" in shown
    assert main(["key", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["keys"][0]["tool_rate_limits"] == {"run_*": 6}
    assert main(["key", "update", key_id, "--clear", "tool-rate-limits", "--clear", "calls-per-month"]) == 0
    record = find_key(url, result["api_key"])
    assert record is not None
    assert (record.tool_rate_limits, record.calls_per_month, record.ceiling) == (None, None, None)


@pytest.mark.parametrize("limit", ["run_*", "run_*=", "=5", "run_*=many", "run_*=-1", "run_*=0"])
def test_an_invalid_limit_of_a_tool_is_an_error_that_names_its_option(url: str, capsys: Capture, limit: str) -> None:
    assert main(["key", "create", "--name", "x", "--tool-rate-limit", limit]) == 1
    assert "--tool-rate-limit " in capsys.readouterr().err


def set_policy(url: str, owner: str, fields: dict[str, Any]) -> None:
    on_keys(url, lambda keys: keys.policies.update(owner, fields))


def test_a_key_is_transferred_repeatedly(url: str, capsys: Capture) -> None:
    add_user(url, "bob@example.com")
    result = create_key(capsys, "--owner", OWNER, "--calls-per-day", "5")
    key_id = result["key_id"]
    for _ in range(2):
        assert main(["key", "transfer", key_id, "--to", "BOB@example.com"]) == 0
        assert capsys.readouterr().out == f"{key_id} belongs to bob@example.com\n"
    assert main(["key", "transfer", key_id, "--to", "bob@example.com", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key_id": key_id, "owner": "bob@example.com", "status": "active"}
    record = find_key(url, result["api_key"])
    assert record is not None
    assert (record.owner, record.ceiling) == ("bob@example.com", KeyRestrictions(calls_per_day=5))

    acts = [act for act in on_redis(url, recorded_acts) if act.act == "key.transfer"]
    assert [(act.before, act.after) for act in acts] == [({"owner": OWNER}, {"owner": "bob@example.com"})]


def test_a_key_is_not_transferred_to_nobody_or_beyond_the_number_of_keys(url: str, capsys: Capture) -> None:
    add_user(url, "bob@example.com")
    set_policy(url, "bob@example.com", {"max_keys": 1})
    keys = [create_key(capsys, "--owner", owner)["key_id"] for owner in (OWNER, "bob@example.com")]
    assert main(["key", "transfer", keys[0], "--to", "nobody@example.com"]) == 1
    assert "there is no user nobody@example.com" in capsys.readouterr().err
    assert main(["key", "transfer", keys[0], "--to", "bob@example.com"]) == 1
    assert "max_keys allows bob@example.com 1 key that is neither revoked nor expired" in capsys.readouterr().err
    assert main(["key", "create", "--name", "x", "--owner", "bob@example.com"]) == 1
    assert "max_keys allows bob@example.com 1 key" in capsys.readouterr().err
    main(["key", "revoke", keys[0]])
    assert main(["key", "transfer", keys[0], "--to", "bob@example.com"]) == 1
    assert "is revoked" in capsys.readouterr().err


def test_the_policy_of_the_owner_fills_and_bounds_what_the_command_line_sets(url: str, capsys: Capture) -> None:
    set_policy(url, OWNER, {"max_key_days": 30, "defaults": {"calls_per_day": 5}})
    result = create_key(capsys, "--records-per-day", "9")
    record = find_key(url, result["api_key"])
    assert record is not None
    assert record.expires_at == record.created_at + 30 * DAY_MS
    assert (record.calls_per_day, record.ceiling) == (5, KeyRestrictions(records_per_day=9))
    assert main(["key", "update", result["key_id"], "--expires-days", "31"]) == 1
    assert "expires_days must be at most 30, the max_key_days of ada@example.com" in capsys.readouterr().err
    assert main(["key", "create", "--name", "x", "--expires-days", "31"]) == 1
    assert main(["key", "update", result["key_id"], "--clear", "expires"]) == 1
    assert capsys.readouterr().err.count("expires_days must be at most 30") == 2


def test_a_rotated_key_has_a_new_secret_and_the_same_id(url: str, capsys: Capture) -> None:
    first = create_key(capsys)
    assert main(["key", "rotate", first["key_id"], "--overlap-seconds", "60", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["key_id"] == first["key_id"]
    assert find_key(url, first["api_key"]) is not None
    assert main(["key", "rotate", first["key_id"], "--json"]) == 0
    assert find_key(url, first["api_key"]) is None
    assert find_key(url, second["api_key"]) is None


def test_an_update_sets_and_clears_fields(url: str, capsys: Capture) -> None:
    result = create_key(capsys, "--calls-per-day", "5", "--expires-days", "3", "--label", "a=b")
    key_id = result["key_id"]
    flags = "--name renamed --records-per-day 7 --clear calls-per-day --clear expires --clear labels"
    assert main(["key", "update", key_id, *flags.split()]) == 0
    record = find_key(url, result["api_key"])
    assert record is not None
    assert (record.key_name, record.records_per_day, record.calls_per_day) == ("renamed", 7, None)
    assert (record.expires_at, record.labels) == (None, {})
    assert main(["key", "update", key_id]) == 1
    assert main(["key", "update", key_id, "--clear", "name"]) == 1
    assert main(["key", "update", "key_none", "--name", "x"]) == 1


def test_an_update_that_sets_and_clears_the_same_field_is_refused(url: str, capsys: Capture) -> None:
    result = create_key(capsys, "--calls-per-day", "5", "--expires-days", "3")
    for flag, value, name in (("--calls-per-day", "9", "calls-per-day"), ("--expires-days", "9", "expires")):
        assert main(["key", "update", result["key_id"], flag, value, "--clear", name]) == 1
        assert f"{flag}: set it or clear it, not both" in capsys.readouterr().err
    record = find_key(url, result["api_key"])
    assert record is not None
    assert record.calls_per_day == 5


def test_an_api_key_instead_of_a_key_id_is_not_echoed(capsys: Capture) -> None:
    secret = create_key(capsys)["api_key"]
    for command in ("show", "revoke", "suspend", "resume", "rotate"):
        assert main(["key", command, secret]) == 1
        error = capsys.readouterr().err
        assert "use its key id" in error
        assert secret not in error


def test_changes_are_in_the_audit_log(url: str, capsys: Capture) -> None:
    key_id = create_key(capsys)["key_id"]
    main(["key", "update", key_id, "--name", "x"])
    main(["key", "rotate", key_id])
    for command in ("suspend", "suspend", "resume", "resume"):
        main(["key", command, key_id])
    main(["key", "revoke", key_id])

    acts = ["key.revoke", "key.resume", "key.suspend", "key.rotate", "key.update", "key.create"]
    found = on_redis(url, recorded_acts)
    assert [(act.act, act.object, act.address) for act in found[:6]] == [(act, key_id, "command line") for act in acts]
    assert found[0].actor == f"{getpass.getuser()} (command line)"


def test_every_restriction_has_an_option() -> None:
    assert set(RESTRICTIONS) == set(Restrictions.__struct_fields__)
