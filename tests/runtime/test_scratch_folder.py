"""The scratch folder of a command: temporary, or in the data folder where there is no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime.supervision.scratch_folder import scratch_folder


def test_it_is_a_temporary_folder_that_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with scratch_folder(tmp_path / "data") as folder:
        assert folder.parent == tmp_path
        (folder / "counter_1.db").touch()
    assert list(tmp_path.iterdir()) == []


def test_without_a_temporary_folder_it_is_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    with scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path / "scratch"
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_killed_command_left_is_removed_and_what_is_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    left = tmp_path / "scratch" / "mcp-gateway-left"
    left.mkdir(parents=True)
    (left / "counter_1.db").touch()
    with scratch_folder(tmp_path) as first:
        assert not left.exists()
        with scratch_folder(tmp_path) as second:
            assert first.exists()
            assert first != second
