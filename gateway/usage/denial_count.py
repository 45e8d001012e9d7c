"""Counts of refused requests, as a worker adds them to the usage stream."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

STREAM_FIELD = "d"
"""Field of the usage stream with packed counts."""


class DenialCount(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Requests that one worker refused for one reason within some seconds."""

    id: str
    """Unique (UUIDv7, hexadecimal)."""
    created_at: int
    """Time of the last of them, in milliseconds since the epoch."""
    owner: str
    key_id: str
    tool_name: str
    """Empty if no tool was called."""
    status: int
    """HTTP status."""
    reason: str
    count: int
    gateway_id: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[DenialCount, ...])


def pack(counts: Sequence[DenialCount]) -> bytes:
    """Pack counts into a field of the usage stream."""
    return _encoder.encode(tuple(counts))


def unpack(packed: bytes) -> tuple[DenialCount, ...]:
    """Unpack counts. Raises `msgspec.DecodeError` for other bytes."""
    return _decoder.decode(packed)
