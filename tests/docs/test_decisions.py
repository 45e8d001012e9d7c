"""Decisions and dependencies are listed, each with its reason."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import ROOT


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = {
        re.split(r"[<>=;\[ ]", line)[0] for line in [*project["dependencies"], *extras["embedded"], *extras["demo"]]
    }
    page = (ROOT / "docs/reference/dependencies.md").read_text()
    assert set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)) == declared


def test_every_decision_is_listed_and_has_three_parts() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(
        r"^\| \[(\d{3})\]\(([\w-]+\.md)\) \| (.*) \|$", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert [name for _, name, _ in listed] == sorted(path.name for path in folder.glob("0*.md"))
    for number, name, title in listed:
        text = (folder / name).read_text()
        assert text.startswith(f"# {number} {title}\n")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
        assert len(text.splitlines()) <= 20
