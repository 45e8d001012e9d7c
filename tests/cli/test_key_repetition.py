"""Commands that are repeated or raced: idempotent creation, and changes of what was shown."""

from __future__ import annotations

import json

import pytest

from gateway.cli import main
from tests.cli.keys import create_key, show_key
from tests.cli.support import Capture

pytestmark = pytest.mark.usefixtures("url")


def listed(capsys: Capture) -> int:
    assert main(["key", "list", "--json"]) == 0
    total: int = json.loads(capsys.readouterr().out)["total"]
    return total


def test_a_creation_that_is_repeated_with_its_idempotency_key_makes_one_key(capsys: Capture) -> None:
    flags = ("--idempotency-key", "run 7", "--expires-days", "30", "--label", "team=red")
    first = create_key(capsys, *flags)
    again = create_key(capsys, *flags)
    del first["api_key"]
    assert again == {**first, "replayed": True}
    assert main(["key", "create", "--name", "laptop", *flags]) == 0
    assert "was created before with this idempotency key" in capsys.readouterr().out
    assert listed(capsys) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--idempotency-key", "run 7", "--calls-per-day", "5"], "was used in the last 24 hours with other options"),
        (["--idempotency-key", ""], "must be 1 to 255 printable ASCII characters"),
        (["--idempotency-key", "é"], "must be 1 to 255 printable ASCII characters"),
    ],
)
def test_an_idempotency_key_of_another_creation_or_an_invalid_one_makes_no_key(
    flags: list[str], message: str, capsys: Capture
) -> None:
    create_key(capsys, "--idempotency-key", "run 7")
    assert main(["key", "create", "--name", "laptop", *flags]) == 1
    assert message in capsys.readouterr().err
    assert listed(capsys) == 1


@pytest.mark.parametrize("form", ["{}", '"{}"'])
def test_a_key_that_has_changed_since_it_was_shown_is_not_updated(form: str, capsys: Capture) -> None:
    key_id = create_key(capsys)["key_id"]
    etag = form.format(show_key(capsys, key_id)["etag"])
    assert main(["key", "update", key_id, "--name", "first", "--if-match", etag]) == 0
    capsys.readouterr()
    assert main(["key", "update", key_id, "--name", "second", "--if-match", etag]) == 1
    assert f"{key_id} has changed since it was shown" in capsys.readouterr().err
    assert show_key(capsys, key_id)["key_name"] == "first"
    assert main(["key", "update", key_id, "--name", "third", "--if-match", "*"]) == 0
