"""Decodes a `CallToolResult` as far as metering needs it.

- One pass over the bytes. `structuredContent` stays undecoded, and so does the `content` of a small result.
- The decoder is stopped after `MAX_BLOCKS` content blocks.
"""

from __future__ import annotations

import enum
import secrets
import threading
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from gateway.metering.json import structure
from gateway.metering.json.structure.partial_values import UNREAD

MAX_RESULT = 2_500_000
"""Bytes; a larger result is not decoded."""
MAX_SMALL = 64 * 1024
"""Bytes of a result whose content is decoded only when it is needed."""
MAX_BLOCKS = 1_000
"""Content blocks (about 1 µs each)."""

ABSENT = msgspec.Raw()


class EmbeddedResource(msgspec.Struct, gc=False):
    """An embedded resource; `blob` is ignored."""

    text: str | None = None


_Decoded = TypeVar("_Decoded")

_budget = threading.local()


class _BlockType(enum.Enum):
    """The `type` of a content block, decoded through a hook that can stop the decoder.

    msgspec calls `_missing_` for each value that is not a member. The members' values are random, so it is called for
    every block.
    """

    OTHER = "other " + secrets.token_hex()
    LINK = "link " + secrets.token_hex()

    @classmethod
    def _missing_(cls, value: object) -> _BlockType:
        _budget.blocks -= 1
        if _budget.blocks < 0:
            raise ValueError("too many blocks")
        return cls.LINK if value == "resource_link" else cls.OTHER


class ContentBlock(msgspec.Struct, gc=False):
    """A content block, limited to the members that can hold records."""

    type: _BlockType
    text: str | None = None
    resource: EmbeddedResource | None = None

    @property
    def is_link(self) -> bool:
        """True if it is a `resource_link`."""
        return self.type is _BlockType.LINK


class ResultStatus(msgspec.Struct, gc=False):
    """The members that tell an error, a task and an incomplete result from a complete one."""

    isError: Any = None  # noqa: N815
    resultType: msgspec.Raw = ABSENT  # noqa: N815
    task: msgspec.Raw = ABSENT

    @property
    def may_be_incomplete(self) -> bool:
        """True if it may be the state of a task or a request for input instead of a complete result."""
        return bool(self.task) or (bool(self.resultType) and bytes(self.resultType) != b'"complete"')


class SmallToolResult(ResultStatus, gc=False):
    """A `CallToolResult` with undecoded content."""

    structuredContent: msgspec.Raw = ABSENT  # noqa: N815
    content: msgspec.Raw = ABSENT

    @property
    def is_tool_result(self) -> bool:
        """True if it has a member of a `CallToolResult`."""
        return bool(self.content or self.structuredContent)


class LargeToolResult(ResultStatus, gc=True, dict=True):
    """A `CallToolResult` whose content blocks were decoded in the same pass."""

    structuredContent: msgspec.Raw = ABSENT  # noqa: N815
    content: list[ContentBlock] | None = None

    @property
    def is_tool_result(self) -> bool:
        """True if it has a member of a `CallToolResult`."""
        return self.content is not None or bool(self.structuredContent)

    @cached_property
    def structure(self) -> Any:
        """The structure of `structuredContent`, read once for a rule and the shape. Raises `ValueError`."""
        return structure.read(self.structuredContent)


ToolResult = SmallToolResult | LargeToolResult

_small = msgspec.json.Decoder(SmallToolResult)
_large = msgspec.json.Decoder(LargeToolResult)
_blocks = msgspec.json.Decoder(list[ContentBlock])


def decode(result: bytes) -> ToolResult | None:
    """Decode the JSON text of a result; `None` if it is not a result or exceeds a bound."""
    try:
        if len(result) <= MAX_SMALL:
            return _small.decode(result)
        if len(result) > MAX_RESULT:
            return None
        return decode_bounded(_large, result)
    except (ValueError, RecursionError):
        return None


def decode_bounded(
    decoder: msgspec.json.Decoder[_Decoded], data: bytes | bytearray | memoryview | msgspec.Raw
) -> _Decoded:
    """Decode `data`, which has content blocks. Raises `ValueError` after `MAX_BLOCKS` of them."""
    _budget.blocks = MAX_BLOCKS
    return decoder.decode(data)


def structured_content(result: ToolResult) -> msgspec.Raw | None:
    """Return `structuredContent`; `None` if it is absent or null."""
    view = memoryview(result.structuredContent)
    return None if len(view) == 0 or bytes(view[:5]) == b"null" else result.structuredContent


def read_structure(result: ToolResult) -> Any:
    """Return the structure of `structuredContent`; `UNREAD` if it is absent. Raises `ValueError` if it is not JSON."""
    data = structured_content(result)
    if data is None:
        return UNREAD
    return result.structure if isinstance(result, LargeToolResult) else structure.read(data)


def content_blocks(result: ToolResult) -> list[ContentBlock] | None:
    """Return the content blocks; `None` if `content` is not a list of them or has too many."""
    if isinstance(result, LargeToolResult):
        return result.content
    return decode_blocks(result.content) if len(memoryview(result.content)) else None


def decode_blocks(data: msgspec.Raw | list[Any]) -> list[ContentBlock] | None:
    """Return the content blocks in `data`, JSON or a decoded list; `None` if it is something else or has too many."""
    try:
        if not isinstance(data, list):
            return decode_bounded(_blocks, data)
        _budget.blocks = MAX_BLOCKS
        return msgspec.convert(data, list[ContentBlock])
    except (ValueError, RecursionError):
        return None
