"""Counts the records in a whole `CallToolResult`.

- `structuredContent` comes first. The content blocks are read only if it has no records, so that a text that mirrors it
  is not counted twice.
- Several content blocks add up. Each holds records or is a short remark without any.
- An error has no records.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.metering import tool_result
from gateway.metering.arguments import ParsedArguments
from gateway.metering.json import structure
from gateway.metering.json.object_shapes import MAX_WRAPPERS
from gateway.metering.json.shapes import ShapeCounter
from gateway.metering.metering_result import FAILURE, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.text import formats
from gateway.metering.text.lines import stated_count
from gateway.metering.tool_result import ContentBlock, ToolResult
from gateway.metering.vocabulary.tools import is_listing_tool

MAX_MIRRORED = 768 * 1024
"""Bytes of structured content without a count; with more of it the content blocks, which mirror it, are not read."""
MAX_READ_TEXTS = 48
"""Texts that are read in every format; if there are more, each has to be one JSON object."""
MAX_READ_TOGETHER = 64 * 1024
"""Characters of several texts that are read in every format."""
MAX_REMARK = 800
"""Characters of a text without records that may accompany those with records."""


def count_records(result: ToolResult, arguments: ParsedArguments) -> Count:
    """Count the records in `result`."""
    if result.isError is True:
        return FAILURE
    counter = ResultCounter(arguments)
    data = tool_result.structured_content(result)
    structured = UNKNOWN_COUNT if data is None else counter.count_structured(data)
    if structured.kind >= CountKind.COUNTED:
        return structured
    if data is not None and len(memoryview(data)) > MAX_MIRRORED:
        return structured
    blocks = tool_result.content_blocks(result)
    if blocks is None:
        return structured
    if not blocks:
        return counted(0, "no_content") if data is None else structured
    content = counter.count_blocks(blocks, 0)
    if content.kind > structured.kind:
        return msgspec.structs.replace(content, tables=content.tables or structured.tables)
    return structured


class ResultCounter:
    """Counts values, texts and content blocks of one result, which may be nested in each other.

    `depth` is the number of wrappers around what is counted.
    """

    def __init__(self, arguments: ParsedArguments) -> None:
        self._arguments = arguments

    def count_structured(self, data: msgspec.Raw) -> Count:
        try:
            return self.count_value(structure.read(data), "structured", 0)
        except ValueError:
            return UNKNOWN_COUNT

    def count_value(self, value: Any, method: str, depth: int) -> Count:
        return ShapeCounter(self._arguments, method, self.count_text, self.count_inner_blocks).count(value, depth)

    def count_text(self, text: str, depth: int) -> Count:
        return formats.count(text, self._arguments, depth, self.count_value)

    def count_inner_blocks(self, values: list[Any], depth: int) -> Count:
        """Count content blocks that a server has put into its structured content."""
        blocks = tool_result.decode_blocks(values)
        return self.count_blocks(blocks, depth) if blocks and depth <= MAX_WRAPPERS else UNKNOWN_COUNT

    def count_blocks(self, blocks: list[ContentBlock], depth: int) -> Count:
        texts = [block.text for block in blocks if block.text is not None]
        resources = [block.resource.text for block in blocks if block.resource and block.resource.text is not None]
        links = sum(block.is_link for block in blocks)
        all_texts = [*texts, *resources]
        if len(all_texts) > MAX_READ_TEXTS or (len(all_texts) > 1 and sum(map(len, all_texts)) > MAX_READ_TOGETHER):
            return _count_objects(all_texts)
        if is_listing_tool(self._arguments.tool) and not resources and (entries := _count_entries(texts)):
            return counted(entries, "blocks_text")
        counts = [self.count_text(text, depth) for text in all_texts]
        if len(texts) == 2 and len(counts) == 2 and _is_repeated(counts[:1], counts[1:]):
            counts, all_texts, texts = counts[:1], all_texts[:1], texts[:1]
        if _is_repeated(counts[: len(texts)], counts[len(texts) :]):
            counts, all_texts = counts[: len(texts)], texts
        return _sum(counts, all_texts, links)


def _is_repeated(first: list[Count], second: list[Count]) -> bool:
    """Return True if the second blocks hold as many records as the first, in another format: the same data again."""
    counts = [[one.records for one in part if one.kind is CountKind.COUNTED] for part in (first, second)]
    return bool(counts[0]) and counts[0] == counts[1] and first[0].method != second[0].method


_LABEL = re.compile(r"[A-Za-z][\w ]{1,30}(?=:? \S)")


def _count_entries(texts: list[str]) -> int | None:
    """Count texts that each describe one entry and begin with the same label: `Name: "a"`, `Name: "b"`."""
    has_heading = len(texts) > 2 and (stated_count(texts[0]) is not None or texts[0].rstrip().endswith(":"))
    entries = texts[1:] if has_heading else texts
    labels = [_LABEL.match(one) for one in entries]
    if len(entries) < 2 or not all(labels):
        return None
    words = {label.group().split()[0] for label in labels if label is not None}
    return len(entries) if len(words) == 1 and all("\n" + next(iter(words)) not in one for one in entries) else None


class _Object(msgspec.Struct, gc=False):
    """Any object; its members are skipped."""


_object = msgspec.json.Decoder(_Object)


def _count_objects(texts: list[str]) -> Count:
    """Count many texts as one record each, if each is a JSON object."""
    try:
        for text in texts:
            _object.decode(text)
    except (ValueError, RecursionError):
        return UNKNOWN_COUNT
    return counted(len(texts), "json_text")


def _sum(counts: list[Count], texts: list[str], links: int) -> Count:
    """Add up the counts of several texts; `UNKNOWN_COUNT` if they do not fit together."""
    if any(one.kind is CountKind.FAILED for one in counts):
        is_failure = all(one.kind in (CountKind.FAILED, CountKind.NONE) for one in counts)
        return FAILURE if is_failure else UNKNOWN_COUNT
    remarks = [text for one, text in zip(counts, texts, strict=True) if one.kind is CountKind.NONE]
    if any(len(remark) > MAX_REMARK for remark in remarks):
        return UNKNOWN_COUNT
    objects = [one for one in counts if one.kind is CountKind.OBJECT]
    lists = [one for one in counts if one.kind is CountKind.COUNTED]
    if lists and not objects:
        tables = tuple(sorted({name for one in lists for name in one.tables}))
        return counted(sum(one.records or 0 for one in lists), lists[0].method, tables)
    if len(objects) > 1 and not lists:
        return counted(len(objects), objects[0].method)
    if links and not lists and not objects:
        return counted(links, "resource_links")
    if len(counts) - len(remarks) == 1:
        return next(one for one in counts if one.kind > CountKind.NONE)
    return UNKNOWN_COUNT
