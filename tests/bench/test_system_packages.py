"""Missing system programs: installed where that is possible, else named in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.system_packages import MissingProgramError, find, require


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty at first."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_nothing_is_installed_where_nothing_is_missing(programs: Path) -> None:
    executable(programs / "npm", "exit 0")
    require(["npm"])


def test_a_program_is_found_under_its_other_names(programs: Path) -> None:
    executable(programs / "google-chrome", "exit 0")
    assert find("chromium") == str(programs / "google-chrome")
    require(["chromium"])


def test_as_root_on_debian_missing_programs_are_installed(programs: Path) -> None:
    executable(programs / "apt-get", f'echo "$*" >> {programs}/log')
    require(["npm", "gcc"])
    assert (programs / "log").read_text() == "install --yes --quiet --no-install-recommends npm gcc libc6-dev\n"


def test_the_package_list_is_updated_where_the_first_try_fails(programs: Path) -> None:
    executable(
        programs / "apt-get", f'echo "$1" >> {programs}/log; [ "$1" = update ] || [ -e {programs}/known ] || exit 1'
    )
    with pytest.raises(MissingProgramError, match="this command failed: apt-get install"):
        require(["npm"])
    assert (programs / "log").read_text() == "install\nupdate\ninstall\n"


def test_elsewhere_missing_programs_are_named_with_the_command_to_run(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(programs / "apt-get", "exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        MissingProgramError, match=r"missing: chromium, npm \(on Debian and Ubuntu: sudo apt-get install"
    ):
        require(["chromium", "npm"])


def test_as_a_command_it_prints_what_is_missing_and_exits_with_0(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.system_packages", "npm"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stderr.startswith("missing: npm ")
    assert "are skipped" in done.stderr
