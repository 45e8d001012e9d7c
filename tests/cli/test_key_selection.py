"""Lists of keys, labels, and the commands that revoke many keys and end secrets."""

from __future__ import annotations

import json

import pytest

from gateway.cli import main
from tests.cli.keys import OWNER, add_user, create_key, find_key, show_key
from tests.cli.support import Capture

pytestmark = pytest.mark.usefixtures("url")


def names(capsys: Capture, *flags: str) -> list[str]:
    assert main(["key", "list", "--json", *flags]) == 0
    return [key["key_name"] for key in json.loads(capsys.readouterr().out)["keys"]]


def test_keys_are_listed_by_label_text_status_and_owner(url: str, capsys: Capture) -> None:
    add_user(url, "bob@example.com")
    for name, owner, label in (("apple", OWNER, "team=red"), ("berry", OWNER, "team=blue"), ("cherry", "bob@", "a=b")):
        email = owner if owner == OWNER else f"{owner}example.com"
        assert main(["key", "create", "--name", name, "--owner", email, "--label", label]) == 0
    capsys.readouterr()
    assert names(capsys) == ["cherry", "berry", "apple"]
    assert names(capsys, "--label", "team=red") == ["apple"]
    assert names(capsys, "--label", "team", "--sort", "name") == ["apple", "berry"]
    assert names(capsys, "--q", "ERRY") == ["cherry", "berry"]
    assert names(capsys, "--q", "bob@", "--status", "active") == ["cherry"]
    assert names(capsys, "--owner", OWNER, "--status", "revoked") == []
    assert main(["key", "list", "--limit", "1"]) == 0
    printed = capsys.readouterr()
    assert "cherry" in printed.out
    assert "1 of 3 keys: raise --limit to see more" in printed.err
    assert main(["key", "list", "--label", "=red"]) == 1
    assert "--label =red: must be name=value" in capsys.readouterr().err


def test_labels_are_given_one_by_one_or_in_a_list(url: str, capsys: Capture) -> None:
    key = create_key(capsys, "--label", "note=a,b", "--labels", "team=red, env=prod")
    assert show_key(capsys, key["key_id"])["labels"] == {"note": "a,b", "team": "red", "env": "prod"}
    assert main(["key", "update", key["key_id"], "--labels", "team=blue"]) == 0
    assert main(["key", "create", "--name", "x", "--labels", "team"]) == 1
    assert "write it as NAME=VALUE" in capsys.readouterr().err


def test_ending_the_overlap_leaves_the_newest_secret(url: str, capsys: Capture) -> None:
    first = create_key(capsys)
    rotate = ["key", "rotate", first["key_id"], "--overlap-seconds", "600", "--json"]
    assert main(rotate) == 0
    second = json.loads(capsys.readouterr().out)
    assert main(["key", "end-overlap", first["key_id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "key_id": first["key_id"],
        "key_prefix": second["key_prefix"],
        "ended_secrets": 1,
    }
    assert find_key(url, first["api_key"]) is None
    assert find_key(url, second["api_key"]) is not None
    assert main(["key", "end-overlap", first["key_id"]]) == 0
    assert "0 older secrets ended" in capsys.readouterr().out
    assert main(["key", "end-overlap", "key_none"]) == 1


def test_all_keys_of_an_owner_are_revoked_after_a_dry_run(url: str, capsys: Capture) -> None:
    add_user(url, "bob@example.com")
    mine = [create_key(capsys, "--owner", OWNER)["key_id"] for _ in range(2)]
    other = create_key(capsys, "--owner", "bob@example.com")["key_id"]
    command = ["key", "bulk-revoke", "--owner", "Ada@example.com", "--json"]
    assert main([*command, "--dry-run"]) == 0
    dry = json.loads(capsys.readouterr().out)
    assert (set(dry["key_ids"]), dry["dry_run"]) == (set(mine), True)
    assert main([*command, "--yes"]) == 0
    assert set(json.loads(capsys.readouterr().out)["key_ids"]) == set(mine)
    assert main(["key", "list", "--json", "--status", "active"]) == 0
    assert [key["key_id"] for key in json.loads(capsys.readouterr().out)["keys"]] == [other]
    for flags in ([], ["--owner", OWNER, "--label", "team"], ["--owner", "nobody@example.com"]):
        assert main(["key", "bulk-revoke", *flags]) == 1
