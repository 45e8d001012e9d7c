"""Python's `repr` of lists, tuples and dictionaries, as servers that call `str(rows)` send it, turned into JSON.

Rules: nothing is evaluated. Outside of strings only literals, brackets and calls of a few well-known constructors
(`datetime.date(2024, 1, 2)`, `Decimal('1.5')`) are taken; anything else is no repr. Linear: the text is cut at its
quotation marks, and a longer one is counted by the beginnings of its rows.
"""

from __future__ import annotations

import re

MAX_LENGTH = 128 * 1024
"""Characters of a text that is turned into JSON; of a longer one the beginnings of rows are counted."""
MAX_STRINGS = 10_000
"""Strings in a text that has escapes or both kinds of quotation marks (about 0.3 µs each)."""


def _list(words: str) -> list[str]:
    return words.split()


_CONSTRUCTORS = _list(
    "datetime.datetime datetime.date datetime.timedelta datetime.timezone datetime.time decimal.Decimal Decimal "
    "uuid.UUID UUID ObjectId pd.Timestamp Timestamp Timedelta OrderedDict defaultdict zoneinfo.ZoneInfo Int64 DBRef "
    "np.float64 np.float32 np.int64 np.int32 np.str_ np.bool_ numpy.float64 frozenset array IPv4Address IPv6Address "
    "PosixPath Fraction"
)
_WORDS = (
    ("datetime.timezone.utc", "null"),
    ("tzinfo=", ""),
    ("seconds=", ""),
    ("microseconds=", ""),
    ("days=", ""),
    ("key=", ""),
    ("tz=", ""),
    ("None", "null"),
    ("True", "true"),
    ("False", "false"),
    ("NaN", "null"),
    ("nan", "null"),
    ("NaT", "null"),
    ("Infinity", "null"),
    ("-inf", "null"),
    ("inf", "null"),
    ("-null", "null"),
)
_CUT = "\x00"

# It takes what begins with a quotation mark in any case, if need be up to the end of the text, so it never tries twice.
_STRING = re.compile(r"('[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?\Z)|\"[^\"\\]*(?:\\.[^\"\\]*)*(?:\"|\\?\Z))", re.DOTALL)
_LONG_ROWS = re.compile(r"\[(\{(?:'[^'\\]{1,100}'|\"[^\"\\]{1,100}\"): |\()")
_OBJECTS = re.compile(r"\[(<?[A-Z]\w{0,60}[( ])")


def count_alike(text: str) -> int | None:
    """The rows of a list whose rows all begin in one way: tuples or dictionaries with one first key, if it is long;
    objects of one class (`[Row(a=1), Row(a=2)]`)."""
    if len(text) > MAX_LENGTH and (match := _LONG_ROWS.match(text)) is not None:
        opening = match.group(1)
        closing = "}" if opening[0] == "{" else ")"
        return text.count(f"{closing}, {opening}") + 1 if text.endswith(closing + "]") else None
    if (match := _OBJECTS.match(text)) is None or len(text) > MAX_LENGTH:
        return None
    parts = _cut(text)
    if parts is None or not text.endswith((")]", ">]")):
        return None
    name = match.group(1)
    return None if name.removesuffix("(") in _CONSTRUCTORS else _CUT.join(parts[0::2]).count(name)


def to_json(text: str) -> str | None:
    """JSON of the same shape as the repr `text`, or `None` where it is none. Strings may lose escapes."""
    if len(text) > MAX_LENGTH or _CUT in text:
        return None
    if "\n" in text:
        text = _joined(text)
    parts = _cut(text)
    if parts is None:
        return None
    parts[0::2] = _outside_as_json(_CUT.join(parts[0::2])).split(_CUT)
    return '"'.join(parts)


def is_one_tuple(text: str) -> bool:
    """Whether a repr is that of one tuple of scalars, which is one row and no list of rows."""
    return text[0] == "(" and text[1:].lstrip()[:1] not in ("(", "[", "{", ")") and "\n" not in text


def _joined(text: str) -> str:
    """One value a line, as one list."""
    is_each = text[0] in "({" and text.count("\n" + text[0]) == text.count("\n")
    return "[" + text.replace("\n", ",") + "]" if is_each else text


def _outside_as_json(outside: str) -> str:
    for before, after in _WORDS:
        if before in outside:
            outside = outside.replace(before, after)
    outside = outside.replace("b" + _CUT, _CUT)
    if "(" in outside:
        for name in _CONSTRUCTORS:
            if name in outside:
                outside = outside.replace(name + "(", "(")
        outside = outside.replace(",)", ")").replace("(", "[").replace(")", "]")
    return outside


def _cut(text: str) -> list[str] | None:
    """`text` cut at the quotation marks of its strings: outside, inside, outside, …"""
    if '"' not in text and "\\" not in text:
        parts = text.split("'")
        return parts if len(parts) % 2 else None
    if text.count("'") + text.count('"') > 2 * MAX_STRINGS:
        return None
    parts = _STRING.split(text)
    strings = parts[1::2]
    if strings and (len(strings[-1]) < 2 or strings[-1][0] != strings[-1][-1]):
        return None
    parts[1::2] = [_harmless(string[1:-1]) for string in strings]
    return parts


def _harmless(inside: str) -> str:
    """The inside of a string with JSON's escapes; those that JSON does not know are lost."""
    if "\\" not in inside:
        return inside.replace('"', '\\"')
    text = inside.replace("\\\\", _CUT).replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
    return text.replace("\\x", "/x").replace("\\U", "/U").replace(_CUT, "\\\\")
