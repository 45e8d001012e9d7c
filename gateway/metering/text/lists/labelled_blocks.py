"""Blocks between blank lines that begin with the same two labels, with free text below: `Title: …`, `URL: …`."""

from __future__ import annotations

import re

MAX_MATCHED = 200
"""Characters of a line that are matched."""

_LABEL = re.compile(r"[\s>*_#-]{0,8}([^\W\d][\w ()/.'-]{0,40}?)\**\s?[:\uff1a]")


def count(lines: list[str]) -> int | None:
    """Count the blocks that begin with the same two labels, if all blocks but a heading do; `None` for another text."""
    if "" not in lines:
        return None
    blocks = _blocks(lines)
    if len(blocks) > 1 and len(blocks[0]) == 1:
        blocks = blocks[1:]
    if len(blocks) < 2 or any(len(block) < 2 for block in blocks):
        return None
    labels = {(_label(block[0]), _label(block[1])) for block in blocks}
    first, second = next(iter(labels))
    return len(blocks) if len(labels) == 1 and first is not None and second is not None and first != second else None


def _blocks(lines: list[str]) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _label(line: str) -> str | None:
    match = _LABEL.match(line[:MAX_MATCHED])
    return match.group(1).lower() if match is not None else None
