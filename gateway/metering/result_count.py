"""Counts the records in a whole `CallToolResult`.

- `structuredContent` comes first, so that a text that mirrors it is not counted twice. The content blocks are read if
  it has no count, and small ones are compared with its count.
- Several content blocks add up. Each holds records or is a short remark without any.
- An error has no records.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.metering import tool_result
from gateway.metering.announcements import announced_number
from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.json import structure
from gateway.metering.json.object_members import MAX_WRAPPERS
from gateway.metering.json.shapes import ShapeCounter
from gateway.metering.json.structure import MAX_WHOLE
from gateway.metering.metering_result import FAILURE, MAX_PATH, UNKNOWN_COUNT, Count, CountKind, counted
from gateway.metering.repeated_arguments import repeats_arguments
from gateway.metering.several_texts import add_up, count_listed, count_objects, is_repeated, one_each
from gateway.metering.text import formats
from gateway.metering.text.statements import empty_results, messages
from gateway.metering.text.statements.witnesses import stated
from gateway.metering.tool_declarations import ToolHints
from gateway.metering.tool_result import ContentBlock, ToolResult
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_listing_tool

MAX_MIRRORED = 768 * 1024
"""Bytes of structured content without a count; with more of it the content blocks, which mirror it, are not read."""
MAX_COMPARED = 16 * 1024
"""Bytes of structured content, and characters of texts beside it, whose counts are compared."""
MAX_EMPTY = 16
"""Bytes of an empty object."""
MAX_READ_TEXTS = 48
"""Texts that are read in every format; if there are more, each has to be one JSON object."""
MAX_READ_TOGETHER = 64 * 1024
"""Characters of several texts that are read in every format."""
_FORMATS = {
    "json_text": "JSON",
    "ndjson_text": "NDJSON",
    "repr_text": "Python repr",
    "csv_text": "CSV",
    "tsv_text": "TSV",
    "markdown_text": "Markdown table",
    "box_text": "drawn table",
    "columns_text": "columns",
    "frame_text": "data frame",
    "rows_text": "numbered rows",
    "blocks_text": "blocks",
    "fields_text": "fields",
    "yaml_text": "YAML",
    "html_text": "HTML table",
    "xml_text": "XML",
    "names_text": "names",
    "lines_text": "lines",
    "scalar_text": "one value",
    "no_records_text": "message",
    "affected_rows_text": "message",
    "empty_text": "empty text",
}
"""Names of the formats in paths, by method."""
_OF_LISTS = frozenset((Sign.COLUMNS_AGREE, Sign.HEADER_LEFT_OUT, Sign.MAY_BE_GROUPS))
"""Signs that say something of a list, and not why it was counted."""
_MESSAGES = frozenset(("no_records_text", "affected_rows_text", "empty_text"))


def count_records(result: ToolResult, arguments: ParsedArguments, hints: ToolHints | None = None) -> Count:
    """Count the records in `result`; `hints` are from the tool's declaration."""
    if result.isError is True:
        return FAILURE
    found = _count_parts(result, ResultCounter(arguments, hints))
    return found.with_signs(Sign.ARGUMENTS_REPEATED) if repeats_arguments(found, result, arguments) else found


def _count_parts(result: ToolResult, counter: ResultCounter) -> Count:
    """Count the structured content, or else the content blocks."""
    data = tool_result.structured_content(result)
    structured = UNKNOWN_COUNT if data is None else counter.count_structured(result)
    if data is not None and structured.kind >= CountKind.COUNTED:
        return _compared(structured, data, result, counter)
    if data is not None and len(memoryview(data)) > MAX_MIRRORED:
        return structured
    blocks = tool_result.content_blocks(result)
    if blocks is None:
        return structured
    if not blocks:
        return counted(0, "no_content", (), (Sign.MESSAGE,)) if data is None else structured
    if data is not None and len(blocks) == 1 and _mirrors(blocks[0].text or "", data):
        return structured
    content = counter.count_blocks(blocks, 0)
    if content.kind > structured.kind:
        return msgspec.structs.replace(content, tables=content.tables or structured.tables)
    return structured


def _compared(structured: Count, data: msgspec.Raw, result: ToolResult, counter: ResultCounter) -> Count:
    """Compare the count of the structured content with the texts, which are in doubt if they hold more records."""
    if structured.kind is CountKind.FAILED or structured.records is None:
        return structured
    if Sign.DECLARED in structured.signs and structured.records:
        return structured
    is_empty = bytes(memoryview(data)[:MAX_EMPTY]).strip() == b"{}"
    blocks = tool_result.content_blocks(result) if len(memoryview(data)) <= MAX_COMPARED else None
    texts = [block.text for block in blocks or () if block.text]
    if not blocks or sum(map(len, texts)) > MAX_COMPARED or (len(texts) == 1 and _mirrors(texts[0], data)):
        return structured
    content = counter.count_blocks(blocks, 0)
    if is_empty and content.kind > CountKind.NONE:
        return content
    may_be_summary = bool(structured.records) and content.method in ("names_text", "lines_text")
    is_more = content.kind is CountKind.COUNTED and (content.records or 0) > structured.records and not may_be_summary
    return structured.with_signs(Sign.TEXT_DISAGREES) if is_more else structured


def _mirrors(text: str, data: msgspec.Raw) -> bool:
    """Return True if a text is the structured content as JSON, in which no more records can be found."""
    if text[:1] not in ("{", "[") or max(len(text), len(memoryview(data))) > MAX_WHOLE:
        return False
    try:
        return bool(structure.read(text) == structure.read(data))
    except ValueError:
        return False


class ResultCounter:
    """Counts values, texts and content blocks of one result, which may be nested in each other.

    `depth` is the number of wrappers around what is counted.
    """

    def __init__(self, arguments: ParsedArguments, hints: ToolHints | None = None) -> None:
        self._arguments = arguments
        self._record_paths = hints.record_paths if hints is not None else ()
        self._declared = frozenset(normalize_name(name) for path in self._record_paths for name in path)

    def count_structured(self, result: ToolResult) -> Count:
        try:
            value = tool_result.read_structure(result)
        except ValueError:
            return UNKNOWN_COUNT
        found = self.count_value(value, "structured", 0)
        if self._record_paths and found.kind < CountKind.FAILED:
            found = self._choose_by_schema(value, found)
        return found.under("structuredContent")

    def _choose_by_schema(self, value: Any, found: Count) -> Count:
        """Prefer the list that the output schema names to one that only the shape suggests."""
        named = [path for path in self._record_paths if isinstance(_value_at(value, path), list)]
        paths = [".".join(path) for path in named]
        if len(paths) != 1:
            return found
        if found.kind is CountKind.COUNTED and (found.path == paths[0] or found.path.startswith(paths[0] + ".")):
            return found.with_signs(Sign.SCHEMA_AGREES)
        if found.witness and Sign.WITNESS_AGREES in found.signs:
            return found
        if Sign.ENTITY in found.signs and self._arguments.ids:
            return found  # the entity that the call names, with its lists
        listed = self.count_value(_value_at(value, named[0]), "structured", len(named[0]))
        for name in reversed(named[0]):
            listed = listed.under(name)
        if listed.kind is not CountKind.COUNTED or listed.records == found.records:
            return found
        if not listed.records and (found.kind is CountKind.OBJECT or _has_list(_value_at(value, named[0][:-1]))):
            return found  # an empty list beside others or in an entity
        return listed.with_signs(Sign.SCHEMA_AGREES, *((Sign.SEVERAL_LISTS,) if found.records else ()))

    def count_value(self, value: Any, method: str, depth: int) -> Count:
        inner = self.count_inner_blocks
        return ShapeCounter(self._arguments, method, self.count_text, inner, self._declared).count(value, depth)

    def count_text(self, text: str, depth: int) -> Count:
        if (not text or text.isspace()) and depth == 0 and is_listing_tool(self._arguments.tool):
            return counted(0, "empty_text", (), (Sign.MESSAGE,))
        found = formats.count(text, self._arguments, depth, self.count_value)
        if not _OF_LISTS.issuperset(found.signs) or found.kind in (CountKind.NONE, CountKind.FAILED):
            return found
        is_object = found.kind is CountKind.OBJECT
        return found.with_signs(
            Sign.SINGLE_OBJECT if is_object else Sign.MESSAGE if found.method in _MESSAGES else Sign.FORMAT
        )

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
            return count_objects(all_texts)
        if (not resources or len(texts) == 1) and (announced := self._count_announced(all_texts, depth)) is not None:
            return announced
        if is_listing_tool(self._arguments.tool) and not resources and (listed := count_listed(texts)) is not None:
            return listed
        counts = [_placed(self.count_text(text, depth), number) for number, text in enumerate(all_texts, start=1)]
        if len(texts) == 2 and len(counts) == 2 and is_repeated(counts[:1], counts[1:]):
            counts, all_texts, texts = counts[:1], all_texts[:1], texts[:1]
        if is_repeated(counts[: len(texts)], counts[len(texts) :]) or (
            resources and _are_titles(counts[: len(texts)], resources)
        ):
            counts, all_texts = counts[: len(texts)], texts
        if len(blocks) == len(texts) == 1 and self._is_empty_list(counts[0], texts[0]):
            return _placed(messages.NO_RECORDS.with_signs(Sign.MESSAGE), 1)
        return add_up(counts, all_texts, links)

    def _count_announced(self, texts: list[str], depth: int) -> Count | None:
        """Count texts below a first one that states their number: `Found 2 invoices:`."""
        if len(texts) < 2 or len(texts) - 1 not in _announced(texts[0]):
            return None
        if len(texts) == 2 and self.count_text(texts[1], depth).kind is CountKind.COUNTED:
            return None
        return one_each(len(texts) - 1, "blocks_text").stated_by("text 1", Sign.WITNESS_AGREES)

    def _is_empty_list(self, found: Count, text: str) -> bool:
        """Return True if the only text of a listing tool is a heading without entries."""
        is_unread = found.kind is CountKind.NONE and is_listing_tool(self._arguments.tool)
        return is_unread and empty_results.is_bare_heading(text)


def _are_titles(counts: list[Count], resources: list[str]) -> bool:
    """Return True if resources beside texts with records have a single line each, so that they only name something."""
    has_records = any(one.kind is CountKind.COUNTED and one.records for one in counts)
    return has_records and not any("\n" in one.strip() or one[:1] in ("{", "[") for one in resources)


def _announced(heading: str) -> tuple[int | None, int | None]:
    """Return the numbers of records that a text announces and states, if it is one line."""
    return announced_number(heading), None if "\n" in heading.strip() else stated(heading).returned


def _has_list(value: Any) -> bool:
    """Return True if a member of an object is a list with elements."""
    return isinstance(value, dict) and any(isinstance(one, list) and one for one in value.values())


def _value_at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _placed(found: Count, number: int) -> Count:
    """Return the count of a text with the text's number and format in its path."""
    if found.kind is CountKind.NONE:
        return found
    place = f"text {number}: {_FORMATS.get(found.method, 'JSON')}"
    path, witness = f"{place} {found.path}".rstrip()[:MAX_PATH], found.witness and f"text {number}: {found.witness}"
    return msgspec.structs.replace(found, path=path, witness=witness)
