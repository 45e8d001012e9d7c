"""Reads the structure of a JSON value, with a method that suits its size.

A small value is decoded completely. A medium one is sampled: each list gives its length and its first elements. A large
one is read in a single pass, which gives member names and lengths of lists, so 2 MB of rows cost about 1 ms, not 20.
The first elements of its lists tell a header from rows. They are then read by themselves, but only those of the first
and of the last list: a list between others cannot be found by its name with certainty.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from gateway.metering.json.structure import sampled, single_pass
from gateway.metering.json.structure.partial_values import PartialList, length
from gateway.metering.json.structure.sampled import MAX_WHOLE, SAMPLE, decode

MAX_SAMPLED_BYTES = 192 * 1024
"""Bytes of a value that is sampled; a larger one is read in a single pass."""
MAX_ELEMENT_BYTES = 8_192
"""Bytes of a list in which its first elements are read."""
_SPACE = re.compile(r"\s*,?\s*")
_LIST = re.compile(r"\s*(?::\s*)?\[")
_raw_decode = json.JSONDecoder().raw_decode


def read(data: bytes | msgspec.Raw | str) -> Any:
    """Return the value in `data`, with long lists as `PartialList` and values beyond a bound as `UNREAD`.

    Raises `ValueError` if `data` is not JSON, as far as it was read.
    """
    if len(memoryview(data) if isinstance(data, msgspec.Raw) else data) > MAX_SAMPLED_BYTES:
        large = data if isinstance(data, str) else bytes(data)
        return _add_first_elements(single_pass.read(large), large)
    encoded = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    return decode(encoded) if len(encoded) <= MAX_WHOLE else sampled.read(encoded)


def _add_first_elements(structure: Any, data: bytes | str) -> Any:
    """Return the structure of `data` with the first elements of its first and last list instead of placeholders."""
    if isinstance(structure, list):
        return _with_elements(structure, data, 0)
    lists = _lists(structure)
    for (parent, name), find in zip((lists[:1] + lists[1:][-1:]), (data.find, data.rfind), strict=False):
        quoted = json.dumps(name, ensure_ascii=False)
        key: Any = quoted if isinstance(data, str) else quoted.encode("utf-8", "surrogatepass")
        if (at := find(key)) >= 0:
            parent[name] = _with_elements(parent[name], data, at + len(key))
    return structure


def _lists(structure: Any) -> list[tuple[dict[str, Any], str]]:
    """Return the members of objects that are lists, in their order."""
    found: list[tuple[dict[str, Any], str]] = []
    for name, value in structure.items() if isinstance(structure, dict) else ():
        found += [(structure, name)] if isinstance(value, list) and value else _lists(value)
    return found


def _with_elements(values: list[Any], data: bytes | str, place: int) -> list[Any]:
    if values[:1] not in ([{}], [[]]):
        return values
    part = data[place : place + MAX_ELEMENT_BYTES]
    text = part if isinstance(part, str) else part.decode("utf-8", "ignore")
    opening = _LIST.match(text)
    at = opening.end() if opening is not None else len(text)
    found: list[Any] = []
    try:
        while len(found) < SAMPLE:
            element, at = _raw_decode(text, _SPACE.match(text, at).end())  # type: ignore[union-attr]
            found.append(element)
    except (ValueError, RecursionError):
        pass
    if not found or type(found[0]) is not type(values[0]):
        return values
    return found if len(found) == length(values) else PartialList(found, length(values))
