"""Converts the Python `repr` of lists, tuples and dictionaries, which servers send with `str(rows)`, to JSON.

Nothing is evaluated. Outside of strings only literals, brackets and calls of well-known constructors
(`datetime.date(2024, 1, 2)`, `Decimal('1.5')`) are accepted. Linear time: the text is split at its quotation marks; in
a longer one only the beginnings of rows are counted.
"""

from __future__ import annotations

import re

from gateway.metering.vocabulary.names import word_list

MAX_REPR_CHARACTERS = 128 * 1024
"""Characters of a text that is converted; in a longer one the beginnings of rows are counted."""
MAX_CALLS = 2_000
"""Objects in a repr (about 1 µs each)."""
MAX_REPR_STRINGS = 10_000
"""Strings in a text with escapes or both types of quotation marks (about 0.3 µs each)."""
MAX_SIMPLE_STRINGS = 32_000
"""Strings in any other text (about 50 ns each)."""


_CONSTRUCTORS = word_list(
    "datetime.datetime datetime.date datetime.timedelta datetime.timezone datetime.time decimal.Decimal Decimal "
    "uuid.UUID UUID ObjectId pd.Timestamp Timestamp Timedelta OrderedDict defaultdict zoneinfo.ZoneInfo Int64 DBRef "
    "np.float64 np.float32 np.int64 np.int32 np.str_ np.bool_ numpy.float64 frozenset array IPv4Address IPv6Address "
    "PosixPath Fraction"
)
_REPLACEMENTS = (
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
_SEPARATOR = "\x00"

# Matches from any quotation mark, up to the end of the text if the string is not closed, so it never backtracks.
_STRING = re.compile(r"('[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?\Z)|\"[^\"\\]*(?:\\.[^\"\\]*)*(?:\"|\\?\Z))", re.DOTALL)
_LONG_ROWS = re.compile(r"\[(\{(?:'[^'\\]{1,100}'|\"[^\"\\]{1,100}\"): |\()")
_UNLIKE_JSON = ("(", "\\", "\n", 'b"', "=", "None", "True", "False", "NaN", "nan", "NaT", "inf", "Infinity")
"""Parts of which a text without `'` has one, unless it would not change in the conversion to JSON."""
_EMPTY = re.compile(
    r"(?:(?:set|frozenset|deque|dict|list|tuple|dict_(?:keys|values|items)|Counter|OrderedDict|defaultdict|array|Index|Series|"
    r"RangeIndex|DatetimeIndex|ResultSet|Collection|Map|Set|Array)\((?:\[\s*\]|\{\s*\}|0)?(?:,\s?[^()\[\]\n]{0,80})?\)|"
    r"(?:Map|Set|Array)\(0\) ?[\[{]\s*[\]}])\Z"
)
# A name is matched from its beginning only, so a long one is read once.
_CALL = re.compile(r"(?<=\w)\(")
_TOKEN = re.compile(r"(?:(?<![\w.])[A-Za-z_][\w.]*+)?\((\s*+(?=[A-Za-z_]\w*+=(?!=)))?|\)|(?<![\w.])[A-Za-z_]\w*+=(?!=)")
_ONE_CALL = re.compile(r"[A-Z]\w{0,60}\([A-Za-z_]\w{0,60}=")
_OBJECTS = re.compile(r"\[(<?[A-Z]\w{0,60}[( ])")


def count_similar_rows(text: str) -> int | None:
    """Count the rows of a list whose rows begin alike.

    These are tuples or dictionaries with the same first key, if the text is long, or objects of one class
    (`[Row(a=1), Row(a=2)]`). `None` for any other text.
    """
    if len(text) > MAX_REPR_CHARACTERS and (match := _LONG_ROWS.match(text)) is not None:
        opening = match.group(1)
        closing = "}" if opening[0] == "{" else ")"
        return text.count(f"{closing}, {opening}") + 1 if text.endswith(closing + "]") else None
    if (match := _OBJECTS.match(text)) is None or len(text) > MAX_REPR_CHARACTERS:
        return None
    parts = _split_strings(text)
    if parts is None or not text.endswith((")]", ">]")):
        return None
    name = match.group(1)
    return None if name.removesuffix("(") in _CONSTRUCTORS else _SEPARATOR.join(parts[0::2]).count(name)


def to_json(text: str) -> str | None:
    """Return JSON of the same shape as the repr `text`; `None` if it is not a repr. Strings may lose escapes."""
    if len(text) > MAX_REPR_CHARACTERS or _SEPARATOR in text:
        return None
    if "'" not in text and not any(part in text for part in _UNLIKE_JSON):
        return None
    if "\n" in text:
        text = _join_lines(text)
    parts = _split_strings(text)
    if parts is None:
        return None
    parts[0::2] = _outside_as_json(_SEPARATOR.join(parts[0::2])).split(_SEPARATOR)
    return '"'.join(parts)


def is_empty(text: str) -> bool:
    """Return True if a text is the repr of an empty collection, such as `set()` or `Index([], dtype='object')`."""
    return len(text) <= 200 and _EMPTY.match(text) is not None


def is_one_object(text: str) -> bool:
    """Return True if a text may be the repr of one object, such as `Data(meta=[], rows=[])`."""
    return text[-1] == ")" and _ONE_CALL.match(text) is not None


def is_one_tuple(text: str) -> bool:
    """Return True if a repr is a tuple of scalars: one row, not a list of rows."""
    return text[0] == "(" and text[1:].lstrip()[:1] not in ("(", "[", "{", ")") and "\n" not in text


def _join_lines(text: str) -> str:
    """Join values on separate lines into one list."""
    is_each = text[0] in "({" and text.count("\n" + text[0]) == text.count("\n")
    return "[" + text.replace("\n", ",") + "]" if is_each else text


def _outside_as_json(outside: str) -> str:
    for before, after in _REPLACEMENTS:
        if before in outside:
            outside = outside.replace(before, after)
    outside = outside.replace("b" + _SEPARATOR, _SEPARATOR)
    if calls := outside.count("("):
        is_long = calls > MAX_CALLS
        if is_long or _CALL.search(outside) is not None:
            for name in _CONSTRUCTORS:
                if name in outside:
                    outside = outside.replace(name + "(", "(")
            if not is_long and _CALL.search(outside) is not None:
                outside = _calls_as_json(outside)
        outside = outside.replace(",)", ")").replace("(", "[").replace(")", "]")
    return outside


def _calls_as_json(outside: str) -> str:
    """Replace the reprs of objects: `Data(meta=1, rows=[])` by an object, `Literal(1, type=2)` by a list."""
    is_object: list[bool] = []

    def replace(match: re.Match[str]) -> str:
        found = match.group()
        if found[-1] == "(":
            is_object.append(match.group(1) is not None)
            return "{" if is_object[-1] else "("
        if found == ")":
            return "}" if is_object and is_object.pop() else ")"
        return f'"{found[:-1]}":' if is_object and is_object[-1] else ""

    return _TOKEN.sub(replace, outside)


def _split_strings(text: str) -> list[str] | None:
    """Split `text` at the quotation marks of its strings: outside, inside, outside, …"""
    if '"' not in text and "\\" not in text:
        marks = text.count("'")
        return None if marks % 2 or marks > 2 * MAX_SIMPLE_STRINGS else text.split("'")
    if text.count("'") + text.count('"') > 2 * MAX_REPR_STRINGS:
        return None
    parts = _STRING.split(text)
    strings = parts[1::2]
    if strings and (len(strings[-1]) < 2 or strings[-1][0] != strings[-1][-1]):
        return None
    if "\\" in text:
        parts[1::2] = [_json_escaped(string[1:-1]) for string in strings]
    else:
        parts[1::2] = [one[1:-1] if one[0] == '"' else one[1:-1].replace('"', '\\"') for one in strings]
    return parts


def _json_escaped(inside: str) -> str:
    """Return the inside of a string with JSON's escapes; those that JSON lacks are lost."""
    if "\\" not in inside:
        return inside.replace('"', '\\"')
    text = inside.replace("\\\\", _SEPARATOR).replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
    return text.replace("\\x", "/x").replace("\\U", "/U").replace(_SEPARATOR, "\\\\")
