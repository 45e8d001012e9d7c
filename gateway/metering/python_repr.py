"""Python's `repr` of lists, tuples and dictionaries, as servers that call `str(rows)` send it, turned into JSON.

Rules: nothing is evaluated. Outside of strings only literals, brackets and calls of a few well-known constructors
(`datetime.date(2024, 1, 2)`, `Decimal('1.5')`) are taken; anything else is no repr. Linear: the text is cut at its
quotation marks; at most `MAX_STRINGS` of them where a string has escapes or quotation marks in it.
"""

from __future__ import annotations

import re

MAX_LENGTH = 192 * 1024
"""Characters of a text that is turned into JSON; a longer one is counted by the beginnings of its rows."""
MAX_STRINGS = 6_000
"""Strings in a text that has escapes (about 0.5 µs each)."""
MAX_ESCAPED = 200
"""Escaped quotation marks in one string."""


def _list(words: str) -> list[str]:
    return words.split()


_CONSTRUCTORS = _list(
    "datetime.datetime datetime.date datetime.timedelta datetime.timezone datetime.time Decimal decimal.Decimal "
    "UUID uuid.UUID ObjectId Timestamp pd.Timestamp Timedelta OrderedDict Row Int64 DBRef np.float64 np.int64 "
    "np.str_ np.bool_ frozenset IPv4Address IPv6Address PosixPath Fraction"
)
_WORDS = (
    ("datetime.timezone.utc", "null"),
    ("tzinfo=", ""),
    ("seconds=", ""),
    ("microseconds=", ""),
    ("days=", ""),
    ("None", "null"),
    ("True", "true"),
    ("False", "false"),
    ("nan", "null"),
    ("NaT", "null"),
    ("-inf", "null"),
    ("inf", "null"),
)
_CUT = "\x00"


_LONG_ROWS = re.compile(r"\[(\{(?:'[^'\\]{1,100}'|\"[^\"\\]{1,100}\"): |\()")


def count_alike(text: str) -> int | None:
    """The rows of the repr of a long list of dictionaries that have the same first key, or of tuples."""
    if len(text) <= MAX_LENGTH or (match := _LONG_ROWS.match(text)) is None:
        return None
    opening = match.group(1)
    closing = "}" if opening[0] == "{" else ")"
    return text.count(f"{closing}, {opening}") + 1 if text.endswith(closing + "]") else None


def to_json(text: str) -> str | None:
    """JSON of the same shape as the repr `text`, or `None` where it is none. Strings may lose escapes."""
    if len(text) > MAX_LENGTH or _CUT in text:
        return None
    parts = _cut(text)
    if parts is None:
        return None
    outside = _CUT.join(parts[0::2])
    for before, after in _WORDS:
        if before in outside:
            outside = outside.replace(before, after)
    outside = outside.replace("b" + _CUT, _CUT)
    if "(" in outside:
        for name in _CONSTRUCTORS:
            if name in outside:
                outside = outside.replace(name + "(", "(")
        outside = outside.replace(",)", ")").replace("(", "[").replace(")", "]")
    pieces = outside.split(_CUT)
    parts[0::2] = pieces
    return '"'.join(parts)


def _cut(text: str) -> list[str] | None:
    """`text` cut at the quotation marks of its strings: outside, inside, outside, …"""
    if '"' not in text and "\\" not in text:
        parts = text.split("'")
        return parts if len(parts) % 2 else None
    parts = []
    at = 0
    next_of = {"'": text.find("'"), '"': text.find('"')}
    while True:
        for quote, place in next_of.items():
            if 0 <= place < at:
                next_of[quote] = text.find(quote, at)
        ahead = [(place, quote) for quote, place in next_of.items() if place >= 0]
        if not ahead:
            parts.append(text[at:])
            return parts
        start, quote = min(ahead)
        end = _end(text, start + 1, quote)
        if end < 0 or len(parts) > 2 * MAX_STRINGS:
            return None
        parts.append(text[at:start])
        parts.append(_harmless(text[start + 1 : end]))
        at = end + 1


def _end(text: str, at: int, quote: str) -> int:
    """Where the string that goes on at `at` ends, or -1."""
    for _ in range(MAX_ESCAPED):
        end = text.find(quote, at)
        if end < 0:
            return -1
        escapes = end - at - len(text[at:end].rstrip("\\"))
        if escapes % 2 == 0:
            return end
        at = end + 1
    return -1


def _harmless(inside: str) -> str:
    return inside.replace("\\", "/").replace('"', "'") if "\\" in inside or '"' in inside else inside
