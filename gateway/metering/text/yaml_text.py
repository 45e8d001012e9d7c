"""YAML dumps, read as the structure that they show and counted as JSON is.

It reads block maps, block lists and scalars, by indentation, and the lists with a stated length of TOON
(`items[2]{id,name}:`, or `[2]{id,name}:` at the root). Scalars of several lines are skipped. A text with any
other line is not YAML; neither is a flat list of fields, which `key_value_text` counts.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.metering.json.objects import WRAPPER_MEMBERS
from gateway.metering.metering_result import Count, CountKind
from gateway.metering.text.embedded import CountsValues
from gateway.metering.vocabulary.names import normalize_name

MAX_DEPTH = 20
"""Levels of indentation."""
MAX_VALUE = 200
"""Characters of a scalar that are kept."""
MAX_MESSAGE_FIELDS = 16
"""Fields of a message."""

_KEY = re.compile(
    r"(\"[^\"\n]{1,100}\"|'[^'\n]{1,100}'|[\w$@][\w.$@/-]{0,100}|(?=\[\d))(?:\[(\d{1,6})[\t|,]?\](\{[^{}\n]{1,1000}\})?)?:"
    r"(?:\s+(.*))?\Z",
    re.DOTALL,
)
_ITEM = re.compile(r"-(?:\s+|\Z)")
_BLOCK_SCALAR = re.compile(r"[|>][+-]?\d?\s*\Z")
_LITERALS: dict[str, Any] = {
    "null": None,
    "~": None,
    "": None,
    "true": True,
    "false": False,
    "[]": [],
    "{}": {},
    "''": "",
    '""': "",
}


class _NotYamlError(Exception):
    """A line that is not part of the structure."""


def count(lines: list[str], depth: int, count_value: CountsValues) -> Count | None:
    """Count the records in a YAML dump; `None` for another text."""
    if len(lines) > 1 and not any(":" in line for line in lines):
        return None  # no map, and so no record
    if _is_list_under_heading(lines):
        return None
    first = lines[0].lstrip()
    if not (_KEY.match(first[:MAX_VALUE]) or first.startswith("- ") or first.rstrip() == "---"):
        return None
    try:
        reader = _Reader(lines)
        value = reader.read()
    except _NotYamlError:
        return None
    is_root_list = isinstance(value, dict) and list(value) == [""]
    value = value[""] if is_root_list else value
    is_nested = is_root_list or reader.has_lengths or _is_nested(value)
    if not is_nested and isinstance(value, dict) and len(value) > MAX_MESSAGE_FIELDS:
        return None
    found = count_value(value, "yaml_text", depth + 1)
    is_message = found.kind is CountKind.FAILED or (found.kind is CountKind.COUNTED and not found.records)
    return found if found.kind > CountKind.NONE and (is_message or is_nested) else None


def _is_list_under_heading(lines: list[str]) -> bool:
    """Return True if all lines below a first one such as `Files:` are items that are no maps."""
    heading = lines[0].rstrip()
    if len(lines) < 3 or heading[-1:] != ":" or normalize_name(heading[:-1]) in WRAPPER_MEMBERS:
        return False
    return all(line.lstrip()[:2] == "- " and ":" not in line for line in lines[1:])


def _is_nested(value: Any) -> bool:
    """Return True if a value holds maps or lists of maps, or an empty list: a dump, not a few fields."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, dict) and len(one) > 1 for one in value)
    if not isinstance(value, dict) or len(value) < 2:
        return isinstance(value, dict) and any(_is_nested(one) for one in value.values())
    return any(
        isinstance(one, dict) or one == [] or (isinstance(one, list) and _is_nested(one)) for one in value.values()
    )


class _Reader:
    """Reads the lines of one document from top to bottom."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = list(lines)
        self._at = 0
        self.has_lengths = False
        """True if a list of maps has a stated length."""

    def read(self) -> Any:
        value = self._block(0)
        if self._indent() >= 0:
            raise _NotYamlError
        return value

    def _indent(self) -> int:
        """Return the indentation of the next line; -1 at the end."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            text = line.lstrip(" ")
            if text and text[0] not in "#\r\n" and text != "---":
                return len(line) - len(text)
            self._at += 1
        return -1

    def _block(self, depth: int) -> Any:
        indent = self._indent()
        if depth > MAX_DEPTH or indent < 0:
            raise _NotYamlError
        if _ITEM.match(self._lines[self._at][indent:]):
            return self._list(indent, depth)
        return self._map(indent, depth)

    def _list(self, indent: int, depth: int) -> list[Any]:
        values: list[Any] = []
        while self._indent() == indent and (item := _ITEM.match(self._lines[self._at][indent:])) is not None:
            line = self._lines[self._at]
            rest = line[indent + item.end() :]
            if _KEY.match(rest) or _ITEM.match(rest):
                self._lines[self._at] = " " * (indent + item.end()) + rest
                values.append(self._block(depth + 1))
                continue
            self._at += 1
            values.append(self._scalar(rest, indent) if rest else self._nested(indent, depth))
        return values

    def _map(self, indent: int, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while self._indent() == indent:
            match = _KEY.match(self._lines[self._at][indent:])
            if match is None or match.group(1) in values:
                raise _NotYamlError
            self._at += 1
            name, rest = match.group(1).strip("\"'"), (match.group(4) or "").strip()
            if match.group(2) is not None and (rest or match.group(3)):
                values[name] = self._table(int(match.group(2)), indent, rest)
                continue
            is_block = not rest and (
                self._indent() > indent or (self._indent() == indent and _ITEM.match(self._lines[self._at][indent:]))
            )
            values[name] = self._block(depth + 1) if is_block else self._scalar(rest, indent)
        return values

    def _table(self, length: int, indent: int, rest: str) -> list[Any]:
        """Return the values of a list with a stated length: on the line itself, or one a line below."""
        if rest:
            if length > len(rest):
                raise _NotYamlError  # fewer values than stated, whose list might be very large
            return [""] * length
        start = self._at
        while self._indent() > indent:
            self._at += 1
        if self._at - start != length:
            raise _NotYamlError
        self.has_lengths = True
        return [{"": ""}] * length

    def _nested(self, indent: int, depth: int) -> Any:
        return self._block(depth + 1) if self._indent() > indent else None

    def _scalar(self, text: str, indent: int) -> Any:
        """Return a scalar, and skip the further lines of one with several."""
        is_open = bool(_BLOCK_SCALAR.match(text)) or (text[:1] in "\"'" and (len(text) < 2 or text[-1] != text[0]))
        while self._indent() > indent and (is_open or text):
            self._at += 1
        if text in _LITERALS:
            return _LITERALS[text]
        return int(text) if text.isdecimal() and len(text) < 18 else text[:MAX_VALUE].strip("\"'")
