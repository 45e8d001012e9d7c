"""A data folder is made, known again, and never taken from something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime.preflight import CannotStartError, held_data_dir, prepare_data_dir


def test_a_new_and_an_empty_folder_become_a_data_folder_of_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir(mode=0o755)
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)
    for name in ("empty", "new", "volume"):
        prepare_data_dir(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


def test_a_data_folder_is_known_again_whatever_else_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    prepare_data_dir(folder)
    with held_data_dir(folder):
        (folder / "notes.txt").touch()
    prepare_data_dir(folder)


def test_a_folder_of_something_else_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(CannotStartError, match=r"holds other things, such as 'thesis.odt': choose an empty or a new"):
        prepare_data_dir(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
