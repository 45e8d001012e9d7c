"""Records written one under the other: "1. row" and its fields, blocks of `key: value` lines, YAML.

Rules: numbered headings count only where the last number agrees with how many there are; blocks only where all begin
with the same key. One block alone is one object.
"""

from __future__ import annotations

import re

from gateway.metering.arguments import Request
from gateway.metering.lines import split, witness
from gateway.metering.metered import Count, Grade, counted

MAX_LOOKED_AT = 5
"""Lines at the start among which the first record's heading is."""

_NUMBERED = re.compile(r"(\D{0,60}?)(\d{1,8})(\D{0,80})")
_RECORD_WORD = re.compile(r"\b(?:row|record|result|item|document|entry|match|hit)\b", re.IGNORECASE)
_KEY = re.compile(r"[ \t*>-]*([\w\"'][\w .()/#'\"+-]{0,60}?)\**\s*:(?:\s|\Z)")
_RULE = re.compile(r"\s*(?:[-=*_]{3,}|)\s*\Z")


def count(text: str, request: Request) -> Count | None:
    """The records in `text` if they stand one under the other."""
    if (total := _numbered(text)) is not None:
        return counted(total, "rows_text")
    if ":" not in text[:4_000] or (lines := split(text)) is None:
        return None
    return _yaml(lines) or _blocks(lines)


def _numbered(text: str) -> int | None:
    start = 0
    for line in text.split("\n", MAX_LOOKED_AT)[:MAX_LOOKED_AT]:
        match = _NUMBERED.match(line[:200])
        if match and match.group(2) in ("0", "1") and _RECORD_WORD.search(match.group(1) + match.group(3)):
            before, first, after = match.group(1), int(match.group(2)), match.group(3)
            is_alone = match.end() == len(line)
            return _run(text[start:], before, first, after if is_alone else "")
        start += len(line) + 1
    return None


def _run(text: str, before: str, first: int, after: str) -> int | None:
    """The number of headings like the first one, if the last of them bears the number that it must."""
    if before.strip():
        mark = "\n" + before
        total = text.count(mark) + 1
        at = text.rfind(mark)
        last = text[at + len(mark) :][:10] if at >= 0 else str(first)
    elif after.strip():
        mark = after + "\n"
        total = text.count(mark)
        at = text.rfind(mark)
        last = text[max(0, at - 10) : at].rpartition("\n")[2]
    else:
        return None
    number = re.match(r"\d{1,8}", last)
    return total if number and int(number.group()) == first + total - 1 and "\n" in text else None


def _yaml(lines: list[str]) -> Count | None:
    """A YAML list of maps, or a map of maps."""
    items = [line for line in lines if line.startswith(("- ", "  - "))]
    if items and _KEY.match(items[0]):
        indent = "- " if items[0].startswith("- ") else "  - "
        same = [line for line in lines if line.startswith(indent)]
        first = lines.index(same[0])
        inner = all(line.startswith((" ", "- ")) or not line for line in lines[first:])
        key = _key(same[0])
        if inner and first <= 8 and all(_key(line) == key for line in same):
            return counted(len(same), "yaml_text")
    outer = [line for line in lines if line and not line.startswith((" ", "\t"))]
    if outer and len(outer) < len(lines) and all(re.match(r"[\w.\"-]{1,80}:\Z", line) for line in outer):
        return counted(len(outer), "yaml_text")
    return None


def _key(line: str) -> str | None:
    match = _KEY.match(line[:200])
    return match.group(1).lower() if match else None


def _blocks(lines: list[str]) -> Count | None:
    blocks: list[list[str]] = [[]]
    for line in lines:
        if _RULE.match(line[:200]):
            blocks.append([])
        else:
            blocks[-1].append(line)
    found = [block for block in blocks if block]
    while found and len(found[-1]) == 1 and (witness(found[-1][0]) is not None or _key(found[-1][0]) is None):
        found.pop()
    if len(found) > 1 and len(found[0]) == 1 and len(found[1]) > 1:
        found.pop(0)
    if not found or any(_key(line) is None and not line.startswith((" ", "\t")) for block in found for line in block):
        return None
    keys = {_key(block[0]) for block in found}
    if len(keys) != 1 or any(len(block) < 2 for block in found):
        return None
    if len(found) == 1:
        return Count(1, "fields_text", Grade.OBJECT)
    return counted(len(found), "blocks_text")
