"""Anonymizes a recorded call: its values are replaced by others of the same form, its structure is kept.

- A text is replaced word by word and number by number, so lines, delimiters, tables, JSON and SQL within it stay.
- Kept are structural words, numbers that state how many there are, and names of members that are no data: those in the
  vocabulary or the tool's schemas, and identifiers that objects beside each other share, or that are beside such names.
  A name is replaced if it is the key of a map, or if one of its words occurs in a value.
- A token is replaced by the same one everywhere: in arguments, result, texts and member names.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gateway.metering.explain.recorded_call import RecordedCall
from gateway.metering.explain.replacements import TOKEN, Replacements, parts_of, unescape
from gateway.metering.explain.structural_words import (
    COUNTED_WORDS,
    STATING_WORDS,
    StructuralWords,
    is_structural,
)
from gateway.metering.vocabulary import members
from gateway.metering.vocabulary.names import normalize_name, word_set
from gateway.metering.vocabulary.tools import tool_words

_FIELD_NAME = re.compile(r"_{0,2}[a-z][A-Za-z]{0,39}(?:_[a-z]{1,39}){0,8}_?\d{0,2}\Z")
"""An identifier in lower case, camel case or snake case, with the number of a column at most."""
_STATED = re.compile(r"([^\W\d_]+)?[ :=(\[*#]{0,4}(?<!\d)(\d[\d,]{0,12})(?![\w.-])(?:[ )*]{0,3}([^\W\d_]+))?")
_FIRST_NUMBER = re.compile(r"^[^\d\n]{0,40}?(\d{1,9})\b", re.MULTILINE)
_COUNT_MEMBERS = members.RETURNED_COUNT_MEMBERS.union(
    members.COUNT_MEMBERS, members.TOTAL_MEMBERS, members.AFFECTED_MEMBERS
)
_VALUE_KEYWORDS = frozenset(("enum", "const", "default", "examples"))
"""Keywords of JSON Schema with values."""
_COUNT_WORDS = word_set("rows records results count total limit offset page pages found returned matched hits num")
"""Words in the names of members with a number of records."""
_SIZES = ("size", "length")
"""Members that rather have the size of a file."""
_MAX_LITERAL = 64 * 1024
_MIN_MAP = 3
_SHORT_NUMBER = 999


class Anonymizer:
    """Replaces the values of one call, and names that belong to it; the same `salt` gives the same replacements."""

    def __init__(self, call: RecordedCall, salt: bytes, keeps_short_numbers: bool = False) -> None:
        self._call = call
        self._contents = _Contents(call)
        self._keeps_short_numbers = keeps_short_numbers
        self._replacements = Replacements(salt, self._is_kept, self._contents.originals)
        for number in self._contents.stated_numbers:
            self._replacements.keep(number)

    def call(self) -> RecordedCall:
        """Return the call with its values replaced."""
        result = msgspec.json.decode(self._call.result_json)
        return msgspec.structs.replace(
            self._call,
            arguments=self._value(self._call.arguments),
            result_json=msgspec.json.encode(self._value(result)),
            declaration=self._value(self._call.declaration),
        )

    def name(self, name: str) -> str:
        """Replace a name as it is replaced in the call."""
        return TOKEN.sub(self._token, name)

    def _is_kept(self, word: str) -> bool:
        return not self._contents.is_data(word) and (word in self._contents.names or word in self._contents.structural)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return TOKEN.sub(self._token, value)
        if isinstance(value, dict):
            return {self._member(name): self._value(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        return type(value)(TOKEN.sub(self._token, repr(value)))

    def _member(self, name: str) -> str:
        return name if name in self._contents.names else TOKEN.sub(self._token, name)

    def _token(self, match: re.Match[str]) -> str:
        token, kind = match.group(), match.lastgroup
        if kind in ("escape", "mark", "phrase"):
            return token
        if kind == "escaped":
            return json.dumps(TOKEN.sub(self._token, unescape(token)))[1:-1]
        if kind == "moment":
            return re.sub(r"\d{4,}", lambda number: self._replacements.number(number.group()), token)
        if kind == "number":
            is_short = self._keeps_short_numbers and token.isdigit() and int(token) <= _SHORT_NUMBER
            return token if is_short else self._replacements.number(token)
        if kind == "identifier":
            return self._identifier(token)
        if kind == "word":
            return self._word(token)
        replace = {"hex": self._replacements.hexadecimal, "date": self._replacements.date}
        return replace.get(kind or "", self._replacements.time)(token)

    def _identifier(self, token: str) -> str:
        if token in self._contents.names or token in self._contents.structural:
            return token
        return re.sub(
            "|".join(map(re.escape, sorted(set(parts_of(token)), key=len, reverse=True))),
            lambda part: (self._replacements.number if part.group().isdigit() else self._word)(part.group()),
            token,
        )

    def _word(self, word: str) -> str:
        return self._replacements.word(word) if self._contents.is_data(word) else word


class _Contents:
    """The parts of a call that anonymization keeps apart: names of members, words of values, stated numbers."""

    def __init__(self, call: RecordedCall) -> None:
        self.structural = StructuralWords(tool_words(call.tool))
        self.stated_numbers = {"0", "1"}
        self.originals: set[str] = set()
        self._data: set[str] = set()
        self._names: set[str] = set()
        """Names that are kept, unless a word of theirs is data; at first those of the declaration and of parameters."""
        self._shared: set[str] = set()
        """Names in several objects beside each other."""
        self._unknown: list[tuple[str, bool]] = []
        """Names that may be data, and True if a known name is beside them."""
        self._add_declaration(call.declaration)
        # An argument with one value is a parameter of the tool, also without its schema.
        scalars = (name for name, value in call.arguments.items() if not isinstance(value, dict | list))
        self._names.update(filter(_FIELD_NAME.match, scalars))
        for value in (call.arguments, msgspec.json.decode(call.result_json)):
            self._add(value, is_record=False)
        for name, is_beside_known in self._unknown:
            if _FIELD_NAME.match(name) and (is_beside_known or name in self._shared):
                self._names.add(name)
            else:
                self._add_data(name)
        self.names = {name for name in self._names if not any(map(self.is_data, _words_in(name)))}

    def is_data(self, word: str) -> bool:
        return word.lower() in self._data and word not in self.structural

    def _add_declaration(self, schema: Any) -> None:
        """Add the names and values in the schemas of the tool; their prose is no data."""
        if isinstance(schema, list):
            for inner in schema:
                self._add_declaration(inner)
        elif isinstance(schema, dict):
            for name, inner in schema.items():
                self._names.add(name)
                if name in _VALUE_KEYWORDS:
                    self._add(inner, is_record=False)
                else:
                    self._add_declaration(inner)

    def _add(self, value: Any, is_record: bool) -> None:
        if isinstance(value, str):
            self._add_text(value)
        elif isinstance(value, bytes):
            self._add_text(value.decode("utf-8", "replace"))
        elif isinstance(value, list | tuple | set):
            self.stated_numbers.add(str(len(value)))
            self._share(value)
            for inner in value:
                self._add(inner, is_record=len(value) > 1)
        elif isinstance(value, dict):
            self._add_object(value, is_record)
        else:
            self.originals.add(repr(value))

    def _add_object(self, value: dict[str, Any], is_record: bool) -> None:
        is_map = not is_record and _is_map(value)
        self._share(value.values())
        is_beside_known = any(self._is_known(str(name)) for name in value)
        for name, inner in value.items():
            name = str(name)
            if self._is_known(name):
                self._names.add(name)
            elif is_map:
                self._add_data(name)
            else:
                self._unknown.append((name, is_beside_known))
            if not is_record and not is_map and _is_count(name, inner):
                self.stated_numbers.add(str(inner))
            self._add(inner, is_record=is_map)

    def _is_known(self, name: str) -> bool:
        return name in self.structural or name in self._names

    def _share(self, values: Iterable[Any]) -> None:
        """Add the names that several of the objects among `values` have."""
        names: set[str] = set()
        for one in values:
            if isinstance(one, dict):
                self._shared.update(names.intersection(map(str, one)))
                names.update(map(str, one))

    def _add_text(self, text: str) -> None:
        self.stated_numbers.add(str(len(text.splitlines())))
        self.stated_numbers.update(_stated_numbers(text))
        if (inner := _parse(text)) is not None:
            for value in inner:
                self._add(value, is_record=len(inner) > 1)
        else:
            self._add_data(text)

    def _add_data(self, text: str) -> None:
        self._data.update(_words_in(text))
        self.originals.update(match.group().lower() for match in TOKEN.finditer(text))


def _words_in(text: str) -> Iterator[str]:
    for match in TOKEN.finditer(text):
        if match.lastgroup == "word":
            yield match.group().lower()
        elif match.lastgroup == "escaped":
            yield from _words_in(unescape(match.group()))
        elif match.lastgroup == "identifier" and not is_structural(match.group()):
            yield from (part.lower() for part in parts_of(match.group()) if not part.isdigit())


def _is_map(value: dict[str, Any]) -> bool:
    """Return True if the values are all of one kind that is not text: the members are then likely keys of a map."""
    kinds = {int if isinstance(one, float) else type(one) for one in value.values()}
    return len(value) >= _MIN_MAP and len(kinds) == 1 and not kinds & {str, bool, type(None)}


def _is_count(name: str, value: Any) -> bool:
    """Return True for a number of records. A large limit or total is more often an amount."""
    if type(value) is not int or value > _SHORT_NUMBER:
        return False
    is_count = normalize_name(name) in _COUNT_MEMBERS and normalize_name(name) not in _SIZES
    return is_count or not _COUNT_WORDS.isdisjoint(tool_words(name))


def _stated_numbers(text: str) -> Iterator[str]:
    """Yield the numbers beside a word such as `rows`, and those that number the lines."""
    for before, number, after in _STATED.findall(text):
        # A large total or number after TOP is more often an amount.
        is_amount = before.lower() in ("total", "top") and len(number) > len(str(_SHORT_NUMBER))
        if (before.lower() in STATING_WORDS and not is_amount) or after.lower() in COUNTED_WORDS:
            yield number
    expected = 0
    for number in _FIRST_NUMBER.findall(text):
        if int(number) in (0, 1, expected):
            yield number
            expected = int(number) + 1


def _parse(text: str) -> list[Any] | None:
    """Return the values in a text that is JSON, lines of JSON or a Python literal; `None` if it is something else."""
    if text.lstrip()[:1] not in ("{", "[", "("):
        return None
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            # Texts such as `1and` are warned about, and are not literals anyway.
            warnings.simplefilter("ignore", SyntaxWarning)
            value = ast.literal_eval(text) if len(text) <= _MAX_LITERAL else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return [value] if isinstance(value, dict | list | tuple | set) else None
