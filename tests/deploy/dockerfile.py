"""Parses a Dockerfile into stages, as far as the tests need it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
FINAL = ("production", "embedded", "demo")
"""The targets for images."""


class Instruction(NamedTuple):
    """An instruction; `flags` are its arguments that begin with `--`."""

    word: str
    flags: dict[str, str]
    text: str

    @property
    def exec_form(self) -> list[str]:
        """The words of the exec form. Raises `ValueError` for the shell form."""
        return [str(word) for word in json.loads(self.text)]


class Stage(NamedTuple):
    """A stage: `FROM … AS name` and the instructions after it."""

    name: str
    base: str
    own: tuple[Instruction, ...]


def read_stages(path: Path = ROOT / "deploy" / "Dockerfile") -> dict[str, Stage]:
    """Parse all stages, by name and in order."""
    stages: dict[str, Stage] = {}
    for instruction in _instructions(path.read_text()):
        if instruction.word == "FROM":
            base, _, name = instruction.text.partition(" AS ")
            stages[name] = Stage(name, base, ())
        elif stages:
            last = next(reversed(stages.values()))
            stages[last.name] = last._replace(own=(*last.own, instruction))
    return stages


def inherited(stages: dict[str, Stage], name: str) -> tuple[Instruction, ...]:
    """Return the instructions of a stage, after those of its base stages."""
    stage = stages.get(name)
    return () if stage is None else (*inherited(stages, stage.base), *stage.own)


def last(instructions: tuple[Instruction, ...], word: str) -> Instruction | None:
    """Return the last instruction with this keyword, which is the effective one."""
    return next((one for one in reversed(instructions) if one.word == word), None)


def environment(instructions: tuple[Instruction, ...]) -> dict[str, str]:
    """Return the variables that `ENV` sets."""
    pairs: dict[str, str] = {}
    for one in instructions:
        if one.word == "ENV":
            pairs |= dict(pair.split("=", 1) for pair in one.text.split())
    return pairs


def health_check(instructions: tuple[Instruction, ...]) -> list[str]:
    """Return the words of the command of the health check."""
    check: Any = last(instructions, "HEALTHCHECK")
    assert check is not None
    assert check.text.startswith("CMD ")
    return [str(word) for word in json.loads(check.text.removeprefix("CMD "))]


def _instructions(text: str) -> list[Instruction]:
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"[ \t]*\\\n", " ", lines)
    found = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        flags: dict[str, str] = {}
        while (match := re.match(r"--([a-z-]+)(?:=(\S+))?\s+", rest)) is not None:
            flags[match[1]] = match[2] or ""
            rest = rest[match.end() :]
        found.append(Instruction(word, flags, rest.strip()))
    return found
