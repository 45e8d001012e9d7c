"""The format of a spool file: records with a checksum each.

A record is `MAGIC`, the length of its body, the CRC-32 of its body (both 32 bits, little endian), and the body, a
msgpack array. Intact records are found even if others are truncated or overwritten. Unreadable bytes at the end are
the torn tail of a killed process; unreadable bytes before an intact record are damage.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

MAGIC = b"\xf5uSg"
"""Starts with a byte that never occurs in UTF-8, so that it is rare in packed events."""
_HEADER = struct.Struct("<4sII")


class SpoolRecord(msgspec.Struct, frozen=True, array_like=True):
    """One batch of events as it is sent. The batches of a channel are numbered 1, 2, 3… in the order of sending."""

    channel: str
    number: int
    count: int
    """Number of packed events."""
    packed: bytes
    source: str = ""
    """The process that accepted the events."""
    day: int = 0
    """Their day, counted from the epoch (UTC)."""
    total: int = 0
    """Events of that day that the process had accepted with these, over all of its channels."""
    possibly_duplicate: bool = False
    """Another process may have sent one of the events before."""


class SpoolContents(msgspec.Struct, frozen=True):
    """The decoded contents of a spool file."""

    records: tuple[SpoolRecord, ...]
    torn: int
    """Unreadable bytes at the end."""
    damaged: int
    """Unreadable bytes before an intact record."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SpoolRecord)


def encode(record: SpoolRecord) -> bytes:
    """Return the bytes of one record."""
    body = _encoder.encode(record)
    return _HEADER.pack(MAGIC, len(body), zlib.crc32(body)) + body


def decode(data: bytes) -> SpoolContents:
    """Return the intact records of a file, in order, and the number of unreadable bytes. Never raises."""
    records: list[SpoolRecord] = []
    damaged = 0
    position = intact_until = 0
    while (start := data.find(MAGIC, position)) >= 0:
        found = _record_at(data, start)
        if found is None:
            position = start + 1
            continue
        record, end = found
        records.append(record)
        damaged += start - intact_until
        position = intact_until = end
    return SpoolContents(records=tuple(records), torn=len(data) - intact_until, damaged=damaged)


def _record_at(data: bytes, start: int) -> tuple[SpoolRecord, int] | None:
    body_start = start + _HEADER.size
    if body_start > len(data):
        return None
    _, length, checksum = _HEADER.unpack_from(data, start)
    body = data[body_start : body_start + length]
    if len(body) != length or zlib.crc32(body) != checksum:
        return None
    try:
        return _decoder.decode(body), body_start + length
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
