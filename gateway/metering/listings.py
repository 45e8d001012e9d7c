"""Lists of names: one a line, or with commas between them, as tools that list or search answer.

Rules: only a tool whose name says that it lists or finds things has its answer read as a list; a line of a list is
short, and all lines are of one kind. Anything else is prose.
"""

from __future__ import annotations

import re

from gateway.metering import names
from gateway.metering.arguments import Request
from gateway.metering.lines import split, witness
from gateway.metering.metered import Count, counted

MAX_NAME = 300

_TAGGED = re.compile(r"\[\w{1,20}\]\s+\S")
_BULLET = re.compile(r"\s{0,3}(?:[-*•]|\d{1,6}[.)])\s+\S")
_PATH = re.compile(r"(?:[A-Za-z]:\\|\.{0,2}/|~/|\w+://)\S|[^\s/]+/\S+\Z")
_WORD = re.compile(r"[\w$.\"`-]+\Z")
_NAMES = re.compile(r"[\w$.\"`-]{1,128}(?:, ?[\w$.\"`-]{1,128})*\Z")


def count(text: str, request: Request) -> Count | None:
    """The names in `text`, if it is a list of them."""
    if not names.is_listing(request.tool):
        return None
    if "\n" not in text and len(text) <= 20_000 and _NAMES.match(text):
        return counted(text.count(",") + 1, "names_text")
    lines = split(text)
    if lines is None:
        return None
    lines = [line for line in lines if line.strip()]
    if len(lines) > 1 and (lines[0].rstrip().endswith(":") or witness(lines[0]) is not None):
        lines = lines[1:]
    if len(lines) > 1 and witness(lines[-1]) is not None:
        lines = lines[:-1]
    for kind in (_TAGGED, _BULLET, _PATH, _WORD):
        if all(len(line) <= MAX_NAME and kind.match(line) for line in lines):
            return counted(len(lines), "lines_text")
    return None
