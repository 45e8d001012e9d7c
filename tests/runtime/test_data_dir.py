"""The data folder: creation, reuse, and refusal of a folder that belongs to something else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.preflight.startup_checks import CannotStartError
from gateway.runtime import data_dir


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


RANDOM_USER = 1_000_650_000
"""A user id without an entry in /etc/passwd, in the group 0, as OpenShift assigns them."""

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can run as another user")


@pytest.fixture
def volume() -> Iterator[Path]:
    """A volume that belongs to root, outside of the folders of pytest, which are private."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lost+found").mkdir(mode=0o700)
        yield Path(folder)


def as_random_user(work: Callable[[], None]) -> str:
    """Do something in a process of a random user with the group 0; return its fault, if any."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(RANDOM_USER, RANDOM_USER, RANDOM_USER)
            work()
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


@needs_root
def test_a_volume_that_the_group_may_write_is_used_with_its_mode(volume: Path) -> None:
    volume.chmod(0o2775)

    def start() -> None:
        data_dir.prepare(volume)
        with data_dir.locked(volume):
            data_dir.jwt_secrets(volume)

    assert as_random_user(start) == ""
    assert as_random_user(start) == "", "a second start"
    assert volume.stat().st_mode & 0o7777 == 0o2775
    assert (volume / "jwt_secret").stat().st_mode & 0o777 == 0o600


@needs_root
def test_a_volume_that_is_not_writable_is_reported_with_the_user_and_the_fix(volume: Path) -> None:
    volume.chmod(0o755)
    fault = as_random_user(lambda: data_dir.prepare(volume))
    assert f"is not writable for user {RANDOM_USER}, group 0" in fault
    assert "fsGroup" in fault
    assert "GATEWAY_DATA_DIR" in fault


@needs_root
def test_files_of_another_user_are_reported(volume: Path) -> None:
    volume.chmod(0o2775)
    data_dir.prepare(volume)
    volume.chmod(0o2775)
    with data_dir.locked(volume):
        pass

    def start() -> None:
        with data_dir.locked(volume):
            pass

    assert "belong to another user" in as_random_user(start)
