"""The data folder: creation, reuse, and refusal of a folder that belongs to something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime import data_dir
from gateway.runtime.startup_checks import CannotStartError


def test_a_new_or_empty_folder_becomes_a_data_folder_with_mode_0700(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o755)
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)
    for name in ("empty", "new", "volume"):
        data_dir.prepare(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


def test_an_existing_data_folder_is_reused_whatever_else_it_contains(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    data_dir.prepare(folder)
    with data_dir.locked(folder):
        (folder / "notes.txt").touch()
    data_dir.prepare(folder)


def test_a_folder_of_something_else_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(CannotStartError, match=r"holds other things, such as 'thesis.odt': choose an empty or a new"):
        data_dir.prepare(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
