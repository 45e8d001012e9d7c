"""Marks with which the lines of a text begin: bullets, numbers, headings, rules and labels."""

from __future__ import annotations

import re

MAX_MATCHED = 200
"""Characters of a line that are matched."""

_BULLETS = r"[-*+\u2022\u25e6\u25aa\u00b7]"
_LABEL = r"([^\W\d][\w ()/.'-]{0,40}?)"
_COLON = r"[:\uff1a]"

ITEM = re.compile(
    r"\s{0,8}(?:[-*+\u2022\u25e6\u25aa\u25cf\u2023\u25b8\u25ba\u00b7\u2192\u2605]\s|\u30fb|#?\d{1,6}(?:[.):\u3001\uff0e]|\ufe0f?\u20e3)\s?|\[[^\[\]\n]{1,40}\]\s?(?=\S)|\(\d[\d.]{0,10}%?\)\s|[^\w\s\x00-\x7f]\ufe0f?\s)\S?"
)
"""A mark at the beginning of an item of a list: a bullet, a number, brackets, a symbol."""
BULLET = re.compile(rf"\s{{0,12}}{_BULLETS}\s+\S")
"""A bullet with its text."""
BULLET_OR_NUMBER = re.compile(rf"\s{{0,12}}(?:{_BULLETS}|\d{{1,6}}[.)])\s+\S")
"""A bullet or a number such as `1.` with its text."""
RULE = re.compile(r"\s*(?:[-=*_~\u2500\u2501\u2550]{3,}|[-*]\s[-*]\s[-*])\s*\Z")
RULE_STARTS = frozenset(" \t-=*_~\u2500\u2501\u2550")
"""First characters of rules, so that other lines need not be matched."""
MARKDOWN_HEADING = re.compile(r"(#{1,6})\s")
LABEL = re.compile(rf"[\s>*_#-]{{0,8}}{_LABEL}\**\s?{_COLON}")
"""A label with a colon, such as `**Name**: x` and `> Name: x`."""
FIELD = re.compile(rf"[\s>*_#-]{{0,8}}{_LABEL}\**\s?[:\uff1a=]")
"""A label with a colon or an equals sign."""
LABELLED_ENTRY = re.compile(rf"\s{{0,12}}(?:{_BULLETS}\s*)?\**{_LABEL}\**\s?\**{_COLON}\**(?:\s|\Z)")
"""A label with a colon and a space, possibly below a bullet: `- **Name**: x`; not the beginning of an address."""
