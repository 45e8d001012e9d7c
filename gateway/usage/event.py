"""The usage event: one answered `tools/call`, as it travels through Redis.

Events are packed as msgpack arrays of about 230 bytes. New fields are only appended, each with a default, so that this
version reads the events of every earlier one.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec

from gateway.timestamps import DAY_MS

EPOCH = datetime.date(1970, 1, 1)
"""Day 0."""


class UsageEvent(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One answered `tools/call` that was forwarded."""

    event_id: str
    """Unique, and sortable by creation time (UUIDv7, hexadecimal)."""
    created_at: int
    """Time at which the result passed, in milliseconds since the epoch."""
    key_id: str
    key_name: str
    owner: str
    tool_name: str
    table_names: tuple[str, ...]
    record_count: int | None
    """Records returned to the client; `None` if unknown."""
    count_method: str
    """Method by which tables and count were found; `unknown` if the count is `None`."""
    is_error: bool
    status: str
    """`ok`, `tool_error` (the result has `isError`), `rpc_error` (a JSON-RPC error object) or `denied` (the result was
    withheld, since the key may not read its tables)."""
    duration_ms: float
    """From the arrival of the request to the result. Wall-clock time if the result came on another stream, else by a
    monotonic clock."""
    response_bytes: int
    """Size of the JSON-RPC message with the result; for a batch, each call has the size of the whole batch."""
    client_name: str
    client_version: str
    session_id: str
    request_id: str
    """The JSON-RPC id as JSON, so that `"1"` and `1` differ."""
    protocol_version: str
    client_ip: str
    gateway_id: str
    arguments_hash: str
    """SHA-256 of the arguments in canonical JSON, the first 16 hexadecimal digits."""
    written_tables: tuple[str, ...] = ()
    """The tables that the call wrote, by its arguments."""
    count_path: str = ""
    """The place of the records in the result, such as `structuredContent.rows`; `*` stands for names that may be data.
    Empty if it is unknown, as for the calls of earlier versions."""
    count_witness: str = ""
    """The member or line of the result that states the number of records; empty without one."""
    count_signs: tuple[str, ...] = ()
    """The observations for and against the count (`gateway.metering.confidence.Sign`)."""
    count_confidence: float | None = None
    """The probability that the count is right, from 0 to 1; `None` if it is not known. Below a threshold the count is
    unknown."""

    @property
    def day(self) -> int:
        """The day of `created_at`, counted from the epoch (UTC)."""
        return self.created_at // DAY_MS

    @property
    def id_time(self) -> int:
        """Timestamp of the id (UUIDv7), at most `created_at`; `created_at` for other ids (milliseconds)."""
        if len(self.event_id) != 32 or self.event_id[12] != "7":
            return self.created_at
        try:
            return min(int(self.event_id[:12], 16), self.created_at)
        except ValueError:
            return self.created_at


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[UsageEvent, ...])


def pack(events: Sequence[UsageEvent]) -> bytes:
    """Pack events into one entry of the usage stream."""
    return _encoder.encode(tuple(events))


def pack_event(event: UsageEvent) -> bytes:
    """Pack one event for `join`. Lone surrogates, which JSON allows, are replaced by `?`.

    Raises `OverflowError` for a number beyond 64 bits.
    """
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        return _encoder.encode(tuple(_valid(value) for value in msgspec.structs.astuple(event)))


def join(events: Sequence[bytes]) -> bytes:
    """Join packed events into one entry of the usage stream: the same bytes as those of `pack`.

    Raises `OverflowError` for more than 65,535 events.
    """
    count = len(events)
    head = (0x90 | count).to_bytes(1) if count < 16 else b"\xdc" + count.to_bytes(2)
    return head + b"".join(events)


def _valid(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, tuple):
        return tuple(_valid(item) for item in value)
    return value


COUNT_EVENTS_LUA = """
local function count_events(packed)
  local first = packed:byte(1)
  if first and first >= 0x90 and first <= 0x9f then return first - 0x90 end
  if first == 0xdc and #packed > 3 then return packed:byte(2) * 256 + packed:byte(3) end
  return 1
end
"""
"""A Lua function that counts the events of one entry, by the first bytes of the msgpack array."""


def unpack(packed: bytes) -> tuple[UsageEvent, ...]:
    """Unpack the events of one entry. Raises `msgspec.DecodeError` for other bytes."""
    return _decoder.decode(packed)
