"""The wire form of a tool's result, and the count of the records in it.

Rules: `structuredContent` is asked first, and the content blocks only where it has no records of its own, so that a
text that mirrors it is not counted twice. Content blocks add up. An error has none.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.metering import skeleton, text
from gateway.metering.arguments import Request
from gateway.metering.metered import FAILURE, NOTHING, Count, Grade, counted
from gateway.metering.shapes import MAX_DEPTH, Shapes

MAX_RESULT = 4 * 1024 * 1024
"""Bytes; of a larger result nothing is looked at."""
MAX_BLOCKS = 2_000
"""Content blocks of which the texts are read."""
MAX_TEXTS = 3 * 1024 * 1024
MAX_NOTE = 600
"""Characters of a text that may stand beside the records and hold none."""

_ABSENT = msgspec.Raw()


class Result(msgspec.Struct, gc=False):
    """A `CallToolResult` with its parts unread."""

    structuredContent: msgspec.Raw = _ABSENT  # noqa: N815
    content: msgspec.Raw = _ABSENT
    isError: Any = None  # noqa: N815


class _Resource(msgspec.Struct, gc=False):
    text: str | None = None


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    resource: _Resource | None = None


_result = msgspec.json.Decoder(Result)
_blocks = msgspec.json.Decoder(list[_Block])


def decode(result: bytes) -> Result | None:
    """The parts of a result, or `None` where it is none."""
    if len(result) > MAX_RESULT:
        return None
    try:
        return _result.decode(result)
    except (ValueError, RecursionError):
        return None


def count(result: Result, request: Request) -> Count:
    """The records in `result`."""
    if result.isError is True:
        return FAILURE
    reading = _Reading(request)
    structured = reading.structured(result.structuredContent)
    if structured.grade >= Grade.COUNTED:
        return structured
    content = reading.content(result.content)
    if content.grade > structured.grade:
        return msgspec.structs.replace(content, tables=content.tables or structured.tables)
    return structured


class _Reading:
    """Ties the readers of values, texts and blocks together for one result."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def structured(self, data: msgspec.Raw) -> Count:
        if data is _ABSENT or bytes(memoryview(data)[:5]) in (b"null", b"{}"):
            return NOTHING
        try:
            return self.value(skeleton.read(data), "structured", 0)
        except ValueError:
            return NOTHING

    def value(self, value: Any, method: str, depth: int) -> Count:
        return Shapes(self._request, method, self.text, self.values_of_blocks).count(value, depth)

    def text(self, value: str, depth: int) -> Count:
        return text.count(value, self._request, depth, self.value)

    def values_of_blocks(self, values: list[Any], depth: int) -> Count:
        try:
            return self.blocks(msgspec.convert(values, list[_Block]), depth)
        except ValueError:
            return NOTHING

    def content(self, data: msgspec.Raw) -> Count:
        if data is _ABSENT:
            return NOTHING
        try:
            return self.blocks(_blocks.decode(data), 0)
        except (ValueError, RecursionError):
            return NOTHING

    def blocks(self, blocks: list[_Block], depth: int) -> Count:
        """The sum over content blocks, where each is records or a short note."""
        if depth > MAX_DEPTH or len(blocks) > MAX_BLOCKS:
            return NOTHING
        if not blocks:
            return counted(0, "no_content")
        texts = [block.text if block.text is not None else block.resource and block.resource.text for block in blocks]
        if sum(len(one) for one in texts if one) > MAX_TEXTS:
            return NOTHING
        links = sum(block.type == "resource_link" for block in blocks)
        found = [self.text(one, depth) for one in texts if one]
        if any(one.grade is Grade.FAILED for one in found):
            return FAILURE if all(one.grade in (Grade.FAILED, Grade.NONE) for one in found) else NOTHING
        return _sum(found, [one for one in texts if one], links)


def _sum(found: list[Count], texts: list[str], links: int) -> Count:
    objects = [one for one in found if one.grade is Grade.OBJECT]
    lists = [one for one in found if one.grade is Grade.COUNTED]
    notes = [text for one, text in zip(found, texts, strict=True) if one.grade < Grade.OBJECT]
    if any(len(note) > MAX_NOTE for note in notes):
        return NOTHING
    if lists and not objects:
        tables = tuple(sorted({name for one in lists for name in one.tables}))
        return counted(sum(one.records or 0 for one in lists), lists[0].method, tables)
    if len(objects) > 1 and not lists:
        return counted(len(objects), objects[0].method)
    if links and not lists and not objects:
        return counted(links, "resource_links")
    if len(found) - len(notes) == 1:
        return next(one for one in found if one.grade >= Grade.OBJECT)
    return NOTHING
