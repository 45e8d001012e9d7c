"""Confirmation of what cannot be undone, on a terminal and in scripts; and long lists on a terminal."""

from __future__ import annotations

import json
import sys

import pytest

from gateway.cli import main
from gateway.cli.support.output import print_table, printable
from tests.cli.keys import OWNER, create_key, show_key
from tests.cli.support import Capture
from tests.cli.terminal import Terminal, answer, interrupt, screen_of, without_terminal

pytestmark = pytest.mark.usefixtures("url")


@pytest.mark.parametrize(("text", "status"), [("y\n", "revoked"), ("n\n", "active"), ("\n", "active"), ("", "active")])
def test_on_a_terminal_a_key_is_revoked_only_after_a_yes(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, text: str, status: str
) -> None:
    key_id = create_key(capsys)["key_id"]
    answer(monkeypatch, text)
    assert main(["key", "revoke", key_id]) == (0 if status == "revoked" else 1)
    printed = capsys.readouterr()
    assert f"This revokes laptop ({key_id}) of {OWNER} permanently. Continue?" in printed.err
    assert ("nothing was changed" in printed.err) == (status == "active")
    assert show_key(capsys, key_id)["status"] == status


def test_ctrl_c_ends_a_question_without_a_change(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = create_key(capsys)["key_id"]
    interrupt(monkeypatch)
    assert main(["key", "revoke", key_id]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert show_key(capsys, key_id)["status"] == "active"


def test_a_script_revokes_a_key_without_a_question(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = create_key(capsys)["key_id"]
    without_terminal(monkeypatch)
    assert main(["key", "revoke", key_id]) == 0
    assert "Continue?" not in capsys.readouterr().err
    assert show_key(capsys, key_id)["status"] == "revoked"


def test_yes_answers_the_question(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = create_key(capsys)["key_id"]
    answer(monkeypatch, "n\n")
    assert main(["key", "revoke", key_id, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key_id": key_id, "status": "revoked"}


def test_many_keys_are_revoked_only_after_a_yes_or_with_yes(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = create_key(capsys, "--label", "team=red")["key_id"]
    command = ["key", "bulk-revoke", "--label", "team=red"]
    without_terminal(monkeypatch)
    assert main(command) == 1
    assert "with the label team=red permanently, which cannot be undone: add --yes" in capsys.readouterr().err
    answer(monkeypatch, "n\n")
    assert main(command) == 1
    assert "This revokes 1 key with the label team=red permanently. Continue?" in capsys.readouterr().err
    assert show_key(capsys, key_id)["status"] == "active"
    without_terminal(monkeypatch)
    assert main([*command, "--yes"]) == 0
    assert capsys.readouterr().out == f"{key_id}\n"
    assert main(command) == 0


def test_users_and_dead_letters_are_deleted_only_after_a_yes(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_user, drop_letters = ["user", "delete", OWNER], ["usage", "dead-letters", "drop", "--all"]
    for command in (delete_user, drop_letters):
        answer(monkeypatch, "n\n")
        assert main(command) == 1
        assert "permanently. Continue?" in capsys.readouterr().err
    without_terminal(monkeypatch)
    assert main(drop_letters) == 0
    assert main(delete_user) == 1
    assert "permanently, which cannot be undone: add --yes" in capsys.readouterr().err
    assert main(["user", "delete", "nobody@example.com"]) == 1
    assert "there is no user nobody@example.com" in capsys.readouterr().err


def test_secrets_end_only_after_a_yes_if_there_are_several(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = create_key(capsys)["key_id"]
    answer(monkeypatch, "n\n")
    assert main(["key", "end-overlap", key_id]) == 0
    assert main(["key", "rotate", key_id, "--overlap-seconds", "600"]) == 0
    answer(monkeypatch, "n\n")
    assert main(["key", "end-overlap", key_id]) == 1
    assert "permanently. Continue?" in capsys.readouterr().err
    answer(monkeypatch, "")
    assert main(["key", "end-overlap", key_id, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ended_secrets"] == 1


def test_emoji_of_several_characters_are_printed_whole() -> None:
    programmer = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}"
    assert printable(f"{programmer}\x1b[31m\n\u202e") == f"{programmer}?[31m??"


def test_a_list_that_does_not_fit_a_terminal_goes_through_the_pager(monkeypatch: pytest.MonkeyPatch) -> None:
    paged: list[str] = []
    monkeypatch.setattr("pydoc.pager", paged.append)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    screen_of(monkeypatch, lines=5)
    print_table(("A", "B"), [("1", "2")] * 3)
    assert (paged, len(terminal.getvalue().splitlines())) == ([], 4)
    print_table(("A", "B"), [("1", "2")] * 4)
    assert paged == ["A  B\n" + "1  2\n" * 4]


def test_elsewhere_it_does_not(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pydoc.pager", lambda text: pytest.fail("paged"))
    screen_of(monkeypatch, lines=5)
    print_table(("A",), [("1",)] * 50)
    assert len(capsys.readouterr().out.splitlines()) == 51
