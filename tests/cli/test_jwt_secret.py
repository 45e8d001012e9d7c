"""`mcp-gateway rotate-secret`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.accounts.tokens import AccessTokens
from gateway.accounts.user import User
from gateway.cli import main
from gateway.runtime import data_dir
from gateway.runtime.embedded import with_embedded_engines
from gateway.settings import Settings
from gateway.settings.secret_values import split_secrets
from gateway.timestamps import now_ms

ADA = User(
    email="ada@example.com",
    password_hash="",
    role="admin",
    kind="user",
    disabled=False,
    created_at=0,
    password_changed_at=0,
)


def tokens_of_a_start(folder: Path) -> AccessTokens:
    """Return the tokens of a start of `up` on this folder."""
    settings = with_embedded_engines(Settings(), folder)
    assert settings.jwt_secret is not None
    previous = settings.jwt_previous_secrets
    return AccessTokens(
        settings.jwt_secret.get_secret_value(),
        now_ms=now_ms,
        previous_secrets=() if previous is None else split_secrets(previous),
    )


def test_tokens_of_the_old_secret_stay_valid_until_the_next_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tokens_of_a_start(tmp_path).issue(ADA)
    assert main(["rotate-secret", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'jwt_secret'} has a new secret\n"
    assert (tmp_path / "jwt_secret").stat().st_mode & 0o777 == 0o600
    rotated = tokens_of_a_start(tmp_path)
    assert rotated.verify(old) is not None
    assert AccessTokens(data_dir.read_jwt_secrets(tmp_path)[0], now_ms=now_ms).verify(rotated.issue(ADA)) is not None
    assert main(["rotate-secret", "--data-dir", str(tmp_path)]) == 0
    assert tokens_of_a_start(tmp_path).verify(old) is None


def test_logins_can_be_ended_by_a_rotation(tmp_path: Path) -> None:
    old = tokens_of_a_start(tmp_path).issue(ADA)
    assert main(["rotate-secret", "--end-logins", "--data-dir", str(tmp_path)]) == 0
    assert tokens_of_a_start(tmp_path).verify(old) is None


def test_a_folder_without_a_secret_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rotate-secret", "--data-dir", str(tmp_path)]) == 1
    assert "jwt_secret does not exist: `mcp-gateway up` generates it" in capsys.readouterr().err


def test_a_configured_secret_is_not_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_JWT_SECRET", "s" * 32)
    assert main(["rotate-secret", "--data-dir", str(tmp_path)]) == 1
    assert "move its value to GATEWAY_JWT_PREVIOUS_SECRETS" in capsys.readouterr().err
