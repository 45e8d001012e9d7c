"""Recognizes a result that repeats the objects in the arguments of the call, so that it may report a write."""

from __future__ import annotations

from gateway.metering.arguments import ParsedArguments
from gateway.metering.metering_result import Count
from gateway.metering.tool_result import LargeToolResult, ToolResult
from gateway.metering.vocabulary.tools import has_read_verb

MAX_SEARCHED = 16 * 1024
"""Bytes in which the values of the arguments are sought."""
MIN_REPEATED = 3
"""Values of the arguments that are in the result, if it repeats them."""
MIN_VALUE = 4
"""Characters of such a value."""


def repeats_arguments(found: Count, result: ToolResult, arguments: ParsedArguments) -> bool:
    """Return True if the records seem to be objects from the arguments, so that the result may report a write."""
    if not found.records or not arguments.gives_objects or arguments.returns_rows is not None or arguments.tables_read:
        return False
    if has_read_verb(arguments.tool) or isinstance(result, LargeToolResult):
        return False
    data = bytes(memoryview(result.structuredContent or result.content)[:MAX_SEARCHED])
    repeated = sum(len(value) >= MIN_VALUE and value.encode("utf-8", "replace") in data for value in arguments.strings)
    return repeated >= max(MIN_REPEATED, found.records)
