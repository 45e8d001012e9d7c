"""The wire form of a tool's result.

Rules: one pass over the bytes; `structuredContent` stays unread, and so does the content of a small result. The
decoder is stopped at `MAX_BLOCKS` content blocks.
"""

from __future__ import annotations

import enum
import secrets
import threading
from typing import Any, TypeVar

import msgspec

MAX_RESULT = 2_500_000
"""Bytes; of a larger result nothing is looked at."""
MAX_SMALL = 64 * 1024
"""Bytes of a result whose content stays unread until it is asked for."""
MAX_BLOCKS = 1_000
"""Content blocks (about 1 µs each)."""

ABSENT = msgspec.Raw()


class Resource(msgspec.Struct, gc=False):
    """An embedded resource; of a binary one nothing is looked at."""

    text: str | None = None


_Decoded = TypeVar("_Decoded")

_left = threading.local()


class _Type(enum.Enum):
    """The type of a block. The decoder asks for each one, as no block has a secret for its type, so it can be
    stopped."""

    OTHER = "other " + secrets.token_hex()
    LINK = "link " + secrets.token_hex()

    @classmethod
    def _missing_(cls, value: object) -> _Type:
        _left.blocks -= 1
        if _left.blocks < 0:
            raise ValueError("too many blocks")
        return cls.LINK if value == "resource_link" else cls.OTHER


class Block(msgspec.Struct, gc=False):
    """A content block, as far as it can hold records."""

    type: _Type
    text: str | None = None
    resource: Resource | None = None

    @property
    def is_link(self) -> bool:
        """Whether it is a link to a resource."""
        return self.type is _Type.LINK


class ResultKind(msgspec.Struct, gc=False):
    """The members that tell what kind of a result it is."""

    isError: Any = None  # noqa: N815
    resultType: msgspec.Raw = ABSENT  # noqa: N815
    task: msgspec.Raw = ABSENT

    @property
    def may_be_incomplete(self) -> bool:
        """Whether it may tell that the call is not complete: of a task, or of input that is required."""
        return bool(self.task) or (bool(self.resultType) and bytes(self.resultType) != b'"complete"')


class Result(ResultKind, gc=False):
    """A `CallToolResult` with its parts unread."""

    structuredContent: msgspec.Raw = ABSENT  # noqa: N815
    content: msgspec.Raw = ABSENT

    @property
    def is_of_a_tool(self) -> bool:
        """Whether it has what the results of tools have."""
        return bool(self.content or self.structuredContent)


class LargeResult(ResultKind, gc=False):
    """A `CallToolResult` whose blocks were read in the same pass."""

    structuredContent: msgspec.Raw = ABSENT  # noqa: N815
    content: list[Block] | None = None

    @property
    def is_of_a_tool(self) -> bool:
        """Whether it has what the results of tools have."""
        return self.content is not None or bool(self.structuredContent)


_result = msgspec.json.Decoder(Result)
_large = msgspec.json.Decoder(LargeResult)
_blocks = msgspec.json.Decoder(list[Block])


def decode(result: bytes) -> Result | LargeResult | None:
    """The parts of a result, or `None` where it is none or is beyond the bounds."""
    try:
        if len(result) <= MAX_SMALL:
            return _result.decode(result)
        if len(result) > MAX_RESULT:
            return None
        return within_bounds(_large, result)
    except (ValueError, RecursionError):
        return None


def within_bounds(
    decoder: msgspec.json.Decoder[_Decoded], data: bytes | bytearray | memoryview | msgspec.Raw
) -> _Decoded:
    """What the decoder makes of `data`, stopped with an error at `MAX_BLOCKS`."""
    _left.blocks = MAX_BLOCKS
    return decoder.decode(data)


def structured(result: Result | LargeResult) -> msgspec.Raw | None:
    """The structured content, if there is any."""
    view = memoryview(result.structuredContent)
    return None if len(view) == 0 or bytes(view[:5]) == b"null" else result.structuredContent


def blocks(result: Result | LargeResult) -> list[Block] | None:
    """The content blocks, or `None` where there is no list of them, or too many."""
    if isinstance(result, LargeResult):
        return result.content
    return read_blocks(result.content) if len(memoryview(result.content)) else None


def read_blocks(data: msgspec.Raw | list[Any]) -> list[Block] | None:
    """The content blocks in `data`, JSON or decoded; `None` where it is no list of them, or has too many."""
    try:
        if not isinstance(data, list):
            return within_bounds(_blocks, data)
        _left.blocks = MAX_BLOCKS
        return msgspec.convert(data, list[Block])
    except (ValueError, RecursionError):
        return None
