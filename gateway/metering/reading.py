"""The count of the records in a whole result.

Rules: `structuredContent` is asked first, and the content blocks only where it has no records of its own, so that a
text that mirrors it is not counted twice. Content blocks add up; each holds records or is a short note. An error has
none.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.metering import names, wire
from gateway.metering.arguments import Request
from gateway.metering.json import structure
from gateway.metering.json.shapes import MAX_DEPTH, Shapes
from gateway.metering.metered import FAILURE, NOTHING, Confidence, Count, counted
from gateway.metering.text import forms
from gateway.metering.text.lines import witness

MAX_MIRRORED = 768 * 1024
"""Bytes of structured content that says nothing, beside which the content, which mirrors it, is read as well."""
MAX_READ_TEXTS = 48
"""Texts that are read in every form; where there are more, each has to be one JSON object."""
MAX_READ_TOGETHER = 64 * 1024
"""Characters of several texts that are read in every form."""
MAX_NOTE = 800
"""Characters of a text that may stand beside the records and hold none."""


def count(result: wire.Result | wire.LargeResult, request: Request) -> Count:
    """The records in `result`."""
    if result.isError is True:
        return FAILURE
    reading = Reading(request)
    data = wire.structured(result)
    structured = NOTHING if data is None else reading.structured(data)
    if structured.grade >= Confidence.COUNTED:
        return structured
    if data is not None and len(memoryview(data)) > MAX_MIRRORED:
        return structured
    blocks = wire.blocks(result)
    if blocks is None:
        return structured
    if not blocks:
        return counted(0, "no_content") if data is None else structured
    content = reading.blocks(blocks, 0)
    if content.grade > structured.grade:
        return msgspec.structs.replace(content, tables=content.tables or structured.tables)
    return structured


class Reading:
    """Ties the readers of values, texts and blocks together for one result."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def structured(self, data: msgspec.Raw) -> Count:
        try:
            return self.value(structure.read(data), "structured", 0)
        except ValueError:
            return NOTHING

    def value(self, value: Any, method: str, depth: int) -> Count:
        return Shapes(self._request, method, self.text, self.inner_blocks).count(value, depth)

    def text(self, value: str, depth: int) -> Count:
        return forms.count(value, self._request, depth, self.value)

    def inner_blocks(self, values: list[Any], depth: int) -> Count:
        """Content blocks that a server has put into its structured content."""
        blocks = wire.read_blocks(values)
        return self.blocks(blocks, depth) if blocks and depth <= MAX_DEPTH else NOTHING

    def blocks(self, blocks: list[wire.Block], depth: int) -> Count:
        texts = [block.text for block in blocks if block.text is not None]
        resources = [block.resource.text for block in blocks if block.resource and block.resource.text is not None]
        links = sum(block.is_link for block in blocks)
        several = [*texts, *resources]
        if len(several) > MAX_READ_TEXTS or (len(several) > 1 and sum(map(len, several)) > MAX_READ_TOGETHER):
            return _objects(several)
        if names.is_listing(self._request.tool) and (entries := _entries(texts)) and len(several) == len(texts):
            return counted(entries, "blocks_text")
        found = [self.text(one, depth) for one in several]
        if len(texts) == 2 and len(found) == 2 and _is_same(found[:1], found[1:]):
            found, several, texts = found[:1], several[:1], texts[:1]
        if _is_same(found[: len(texts)], found[len(texts) :]):
            found, several = found[: len(texts)], texts
        return _sum(found, several, links)


def _is_same(texts: list[Count], resources: list[Count]) -> bool:
    """Whether some blocks hold once more what others say: as many records, in another form."""
    counts = [[one.records for one in part if one.grade is Confidence.COUNTED] for part in (texts, resources)]
    return bool(counts[0]) and counts[0] == counts[1] and texts[0].method != resources[0].method


_LABEL = re.compile(r"[A-Za-z][\w ]{1,30}(?=:? \S)")


def _entries(texts: list[str]) -> int | None:
    """Texts of which each tells of one thing, and begins with the same label: `Name: "a"`, `Name: "b"`."""
    has_heading = len(texts) > 2 and (witness(texts[0]) is not None or texts[0].rstrip().endswith(":"))
    entries = texts[1:] if has_heading else texts
    labels = [_LABEL.match(one) for one in entries]
    if len(entries) < 2 or not all(labels):
        return None
    words = {label.group().split()[0] for label in labels if label is not None}
    return len(entries) if len(words) == 1 and all("\n" + next(iter(words)) not in one for one in entries) else None


class _Object(msgspec.Struct, gc=False):
    pass


_object = msgspec.json.Decoder(_Object)


def _objects(texts: list[str]) -> Count:
    """Many texts: a record each, if each is an object."""
    try:
        for one in texts:
            _object.decode(one)
    except (ValueError, RecursionError):
        return NOTHING
    return counted(len(texts), "json_text")


def _sum(found: list[Count], texts: list[str], links: int) -> Count:
    if any(one.grade is Confidence.FAILED for one in found):
        return FAILURE if all(one.grade in (Confidence.FAILED, Confidence.NONE) for one in found) else NOTHING
    notes = [forms for one, forms in zip(found, texts, strict=True) if one.grade is Confidence.NONE]
    if any(len(note) > MAX_NOTE for note in notes):
        return NOTHING
    objects = [one for one in found if one.grade is Confidence.OBJECT]
    lists = [one for one in found if one.grade is Confidence.COUNTED]
    if lists and not objects:
        tables = tuple(sorted({name for one in lists for name in one.tables}))
        return counted(sum(one.records or 0 for one in lists), lists[0].method, tables)
    if len(objects) > 1 and not lists:
        return counted(len(objects), objects[0].method)
    if links and not lists and not objects:
        return counted(links, "resource_links")
    if len(found) - len(notes) == 1:
        return next(one for one in found if one.grade > Confidence.NONE)
    return NOTHING
