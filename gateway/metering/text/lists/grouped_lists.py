"""Lists under several headings: the records are the entries of all lists.

Entries that repeat the same labels under each heading (`- **ID**: 1`, `- **Score**: 0.5`) are the fields of one record
for each heading instead.
"""

from __future__ import annotations

import re

from gateway.metering.text.line_marks import BULLET_OR_NUMBER, LABELLED_ENTRY, MAX_MATCHED
from gateway.metering.text.lines import indentation

_HEADING = re.compile(
    r"#{1,6}\s+\S|\*\*[^*\n]{1,160}\*\*:?\s*\Z|[^\n]{1,160}[:\uff1a]\**\s*\Z|[^\W\d][\w ]{1,40}: \S{1,80}\s*\Z"
)


def count(lines: list[str]) -> int | None:
    """Count the entries of lists under two or more headings; `None` for another text."""
    groups = _groups(lines)
    if groups is None or len(groups) < 2:
        return None
    labels = [[_label(entry) for entry in group] for group in groups]
    if any(labels[0]) and all(set(one) & set(labels[0]) for one in labels[1:]):
        return len(groups) if all(None not in one for one in labels) else None
    if all(len(set(one)) > 1 and None not in one for one in labels):
        return None
    return sum(map(len, groups))


def _groups(lines: list[str]) -> list[list[str]] | None:
    """Return the entries below each heading; `None` if a line is neither, or a heading has none."""
    groups: list[list[str]] = []
    depth = -1
    for line in lines:
        if not line.strip():
            continue
        is_bullet = BULLET_OR_NUMBER.match(line[:MAX_MATCHED]) is not None
        if is_bullet and groups:
            indent = indentation(line)
            depth = indent if not groups[-1] else depth
            if indent < depth:
                return None
            if indent == depth:
                groups[-1].append(line)
        elif not is_bullet and _HEADING.match(line[:MAX_MATCHED]) and line[:1] not in (" ", "\t"):
            if groups and not groups[-1]:
                if len(groups) > 1:
                    return None
                groups.pop()  # the heading of the whole text
            groups.append([])
        elif not groups or not groups[-1] or is_bullet or line[:1] not in (" ", "\t"):
            return None
    return groups if groups and groups[-1] else None


def _label(entry: str) -> str | None:
    match = LABELLED_ENTRY.match(entry[:MAX_MATCHED])
    return match.group(1).lower() if match is not None else None
