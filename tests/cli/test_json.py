"""The JSON that commands print has the members of the admin API's response to the same act."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from admin_api.endpoints.keys import models as key_models
from admin_api.endpoints.users import models as user_models
from gateway.cli import main
from tests.cli.keys import OWNER, add_user, create_key
from tests.cli.support import Capture


@pytest.fixture
def names(redis_url: str, capsys: Capture) -> dict[str, str]:
    """Two users, and a key of the first of them."""
    add_user(redis_url, OWNER)
    add_user(redis_url, "bob@example.com")
    return {"key": create_key(capsys, "--owner", OWNER)["key_id"], "ada": OWNER, "bob": "bob@example.com"}


def printed(capsys: Capture, command: str) -> Any:
    assert main([*command.split(), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("command", "response"),
    [
        ("key create --name x --owner {ada}", key_models.CreatedKey),
        ("key rotate {key}", key_models.CreatedKey),
        ("key update {key} --name y", key_models.UpdatedKey),
        ("key suspend {key}", key_models.KeyStatus),
        ("key resume {key}", key_models.KeyStatus),
        ("key transfer {key} --to {bob}", key_models.TransferredKey),
        ("key end-overlap {key}", key_models.EndedOverlap),
        ("key revoke {key}", key_models.RevokedKey),
        ("key bulk-revoke --owner {ada} --yes", key_models.RevokedKeys),
        ("user list", user_models.UserList),
        ("user add eve@example.com --service", user_models.UserItem),
        ("user add eve@example.com --invite", user_models.PasswordLink),
        ("user reset-link {ada}", user_models.PasswordLink),
        ("user update {ada} --role member", user_models.UserItem),
        ("user disable {ada}", user_models.DisabledUser),
        ("user enable {ada}", user_models.EnabledUser),
        ("user delete {ada} --transfer-to {bob} --yes", user_models.DeletedUser),
    ],
)
def test_an_act_prints_what_the_admin_api_responds(
    command: str, response: type[msgspec.Struct], names: dict[str, str], capsys: Capture
) -> None:
    shown = printed(capsys, command.format(**names))
    assert set(shown) == set(response.__struct_fields__)
    msgspec.convert(shown, response)
