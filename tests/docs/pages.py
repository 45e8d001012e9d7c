"""The pages of the documentation, and what they name."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [
    *DOCS,
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "deploy/skill").rglob("SKILL.md")),
]


class Mention(NamedTuple):
    """A text that a page mentions."""

    page: str
    text: str


def mentions(pattern: str) -> Iterator[Mention]:
    """Yield the first group of every match of a pattern in the pages."""
    for page in PAGES:
        for match in re.finditer(pattern, page.read_text(), re.MULTILINE):
            yield Mention(page.name, match[1])


def mentions_in_code(pattern: str) -> Iterator[Mention]:
    """Yield the same, from code spans and code blocks only."""
    for page in PAGES:
        text = page.read_text()
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for part in (*blocks, *spans):
            for match in re.finditer(pattern, part):
                yield Mention(page.name, match[1])


def resolve(name: str) -> Any:
    """Return the module, or the attribute of one, with this dotted name; `None` if there is none."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None
