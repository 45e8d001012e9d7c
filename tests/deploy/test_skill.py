"""The skill for assistants: its form, and its commands, which are executed against a running gateway."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import yaml

from tests.support.clean_run import clean_run
from tests.support.documented_commands import run_steps, steps

SKILL = Path(__file__).parents[2] / "deploy/skill/mcp-api-key-auth/SKILL.md"
NOT_RUN_HERE = ("pip install",)
"""Beginnings of the blocks that are not executed: the gateway is installed and runs already."""


def test_the_front_matter_has_the_name_of_the_folder_and_a_description() -> None:
    front_matter = re.match(r"---\n(.*?)\n---\n", SKILL.read_text(), re.DOTALL)
    assert front_matter is not None
    values = yaml.safe_load(front_matter[1])
    assert set(values) == {"name", "description"}
    assert values["name"] == SKILL.parent.name
    assert re.fullmatch(r"[a-z0-9-]{1,64}", values["name"])
    assert 100 < len(values["description"]) <= 1024
    assert "Use when" in values["description"]


def test_it_ends_with_a_checklist() -> None:
    last_section = SKILL.read_text().rpartition("\n## ")[2]
    assert len(re.findall(r"^- \[ \] ", last_section, re.MULTILINE)) >= 5
    assert last_section.rstrip().rpartition("\n")[2].startswith("- [ ] ")


def test_every_command_prints_what_is_shown(tmp_path: Path) -> None:
    to_run = [step for step in steps(SKILL) if not step.commands.startswith(NOT_RUN_HERE)]
    assert len(to_run) >= 9
    work = tmp_path / "work"
    work.mkdir()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with clean_run("up", data_dir=tmp_path / "data") as running:
        assert run_steps(to_run, running, work, path) >= 7
    assert list(work.iterdir()) == []
