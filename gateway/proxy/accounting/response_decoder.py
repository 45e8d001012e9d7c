"""Decodes upstream responses, as far as counting and redaction need it.

The rules:

- Parts that are not inspected keep their bytes.
- JSON that only lenient parsers accept (`NaN`, a lone surrogate) is decoded too, so it cannot pass uninspected.
- No upstream input makes a function here raise.

Imports no I/O library and does no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.metering import MAX_RESULT, ToolResult, structured_shortcut, tool_result
from gateway.protocol.buffers import Chunk

ABSENT = msgspec.Raw(b"")
RESULT_MEMBER = b'"result"'
"""Part of every result, also of one that cannot be decoded."""
_MAX_SMALL = 8 * 1024
"""Bytes up to which a response is decoded without guessing its form first."""
_STRUCTURED = b'"structuredContent":'
_TEXT_START = (b'"result":{"content":[{"type":"text","text":"', b'"result":{"content":[{"text":"')
_TEXT_END = b'"}],"'
_MAX_BETWEEN = 128
"""Maximum bytes of other members between the text content and the structured content."""
_PREFIX = 1024
"""Bytes at the start of a response that are searched for the start of the text content."""
_MARK = 32
"""Bytes at the start of a response by which it is located in the buffer that contains it."""
_MAX_LENIENT = 2_500_000
"""Maximum bytes that are decoded a second time, leniently, after the strict parser failed."""


class RpcMessage(msgspec.Struct):
    """A JSON-RPC message of the upstream; absent members are empty."""

    id: msgspec.Raw = ABSENT
    method: msgspec.Raw = ABSENT
    params: msgspec.Raw = ABSENT
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT

    @property
    def is_malformed(self) -> bool:
        """True if this is not a valid JSON-RPC message, so clients may interpret it differently."""
        if self.method:
            return bool(self.result or self.error)
        return not self.id if self.result else not self.error


class ToolResponse(msgspec.Struct):
    """A single-result response: one message with the complete result of a tool, decoded with it in one pass.

    Not a batch, task, request for input or error object, and at most `MAX_RESULT` bytes.
    """

    id: msgspec.Raw
    result: ToolResult
    method: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class _SmallResponse(ToolResponse):
    result: tool_result.SmallToolResult


class _TextResponse(ToolResponse):
    result: tool_result.LargeToolResult


class _DeclaredResponse(msgspec.Struct):
    id: msgspec.Raw
    result: structured_shortcut.ShortcutResult
    method: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class ResultMembers(msgspec.Struct, rename="camel"):
    """The members of a result that show its type, including those of a task's state."""

    is_error: bool = False
    result_type: str = ""
    task: msgspec.Raw = ABSENT
    content: msgspec.Raw = ABSENT
    structured_content: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    task_id: str = ""
    status: str = ""
    ttl: int | float | None = None
    ttl_ms: int | float | None = None
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT

    @property
    def is_tool_result(self) -> bool:
        """True if this looks like the result of a `tools/call`."""
        return bool(self.content or self.structured_content)


class _ErrorMembers(msgspec.Struct):
    code: int = 0


_message_decoder = msgspec.json.Decoder(RpcMessage)
_small_decoder = msgspec.json.Decoder(_SmallResponse)
_text_decoder = msgspec.json.Decoder(_TextResponse)
_declared_decoder = msgspec.json.Decoder(_DeclaredResponse)
_batch_decoder = msgspec.json.Decoder(list[RpcMessage])
_result_decoder = msgspec.json.Decoder(ResultMembers)
_error_decoder = msgspec.json.Decoder(_ErrorMembers)


def decode_tool_response(data: Chunk) -> ToolResponse | None:
    """Decode a single-result response; return `None` for any other response."""
    if len(data) > MAX_RESULT:
        return None
    try:
        response = _small_decoder.decode(data) if len(data) <= _MAX_SMALL else _decode_large(data)
    except (msgspec.MsgspecError, RecursionError):
        return None
    result = response.result
    if response.method or response.error or result.may_be_incomplete or not result.is_tool_result:
        return None
    return response


def _decode_large(data: Chunk) -> ToolResponse:
    """Guess the form of the response and decode it accordingly; decode again if the guess was wrong."""
    # The buffer may hold more than the response, which is good enough for a guess.
    text = data.obj if isinstance(data, memoryview) else data
    assert isinstance(text, bytes | bytearray)
    at = text.rfind(_STRUCTURED)
    if at < 0:
        return tool_result.decode_bounded(_text_decoder, data)
    response = None
    if structured_shortcut.may_apply(text, at):
        rest = without_text_content(data, text, at)
        response = _decode_declared(rest)
        if rest is not data and response is not None and response.result.isError is not False:
            # The omitted part may have held `isError`.
            response = _decode_declared(data)
    return response or _small_decoder.decode(data)


def without_text_content(data: Chunk, text: bytes | bytearray, at: int) -> Chunk:
    """Empty the text content of a response whose structured content is at `at` in the buffer `text` that holds it.

    Servers repeat the structured content as text, and skipping the copy saves a third of the decoding time. Of

        {"id":1,"result":{"content":[{"type":"text","text":"LONG COPY"}],"structuredContent":{…},"isError":false}}

    this drops `LONG COPY`. The search is for bytes, not for JSON, so the dropped part could also be

        LONG COPY"}],"isError":true,"other":[{"text":"…

    No `CallToolResult` has such a second list of objects. As `isError` could still be hidden there, the caller must
    decode the whole response unless the rest says `"isError":false`.
    """
    prefix = bytes(data[:_PREFIX])
    start, end = text.find(prefix[:_MARK]), text.rfind(_TEXT_END, max(0, at - _MAX_BETWEEN), at + 1)
    next_member = end + len(_TEXT_END)
    for opening in _TEXT_START:
        kept = prefix.find(opening) + len(opening)
        if len(opening) <= kept <= end - start and text[next_member : next_member + 1].isalpha():
            return b"".join((prefix[:kept], memoryview(text)[end : start + len(data)]))
    return data


def _decode_declared(data: Chunk) -> ToolResponse | None:
    try:
        response = _declared_decoder.decode(data)
    except msgspec.ValidationError:
        return None
    result = response.result.metered()
    return None if result is None else ToolResponse(response.id, result, response.method, response.error)


def decode_messages(data: Chunk) -> Sequence[RpcMessage]:
    """Decode the messages in one JSON text; return none if it is not JSON."""
    try:
        if bytes(data[:64]).lstrip().startswith(b"["):
            return _batch_decoder.decode(data)
        return (_message_decoder.decode(data),)
    except (msgspec.MsgspecError, RecursionError):
        return _decode_leniently(data)


def decode_result(result: bytes | msgspec.Raw) -> ResultMembers:
    """Decode the members that show the type of a result."""
    try:
        return _result_decoder.decode(result)
    except msgspec.MsgspecError:
        return _decode_valid_members(result)


def error_code(error: bytes | msgspec.Raw) -> int:
    """Return the code of an error object; 0 if it has none."""
    try:
        return _error_decoder.decode(error).code
    except msgspec.MsgspecError:
        return 0


def decode_value(value: msgspec.Raw) -> object:
    """Decode a member; return `None` if it is not strict JSON."""
    try:
        return msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return None


def without_error_flag(result: bytes | msgspec.Raw) -> bytes:
    """Return the same result without `isError`."""
    try:
        members = msgspec.json.decode(result, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return bytes(result)
    members.pop("isError", None)
    return msgspec.json.encode(members)


def replace_messages(data: Chunk, messages: Sequence[RpcMessage], replacements: Mapping[int, bytes]) -> bytes:
    """Return the JSON text with some of its messages replaced, or dropped if the replacement is empty."""
    if len(messages) == 1 and not bytes(data[:64]).lstrip().startswith(b"["):
        return replacements[0]
    try:
        originals = [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])]
    except msgspec.MsgspecError:
        originals = [b"null"] * len(messages)
    kept = [message for index, raw in enumerate(originals) if (message := replacements.get(index, raw))]
    return b"[" + b",".join(kept) + b"]" if kept else b""


def _decode_valid_members(result: bytes | msgspec.Raw) -> ResultMembers:
    """Decode the members that have a valid type, and ignore the others."""
    try:
        members = msgspec.json.decode(result, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return ResultMembers()
    decoded = ResultMembers()
    for field in msgspec.structs.fields(ResultMembers):
        if (member := members.get(field.encode_name)) is not None:
            try:
                setattr(decoded, field.name, msgspec.json.decode(member, type=field.type))
            except msgspec.MsgspecError:
                continue
    return decoded


def _decode_leniently(data: Chunk) -> Sequence[RpcMessage]:
    if len(data) > _MAX_LENIENT:
        return ()
    try:
        value: Any = json.loads(bytes(data))
        messages = value if isinstance(value, list) else [value]
        return [_to_message(message) for message in messages]
    except (ValueError, RecursionError):
        return ()


def _to_message(message: Any) -> RpcMessage:
    if not isinstance(message, dict):
        return RpcMessage()
    return RpcMessage(
        **{
            name: msgspec.Raw(json.dumps(message[name]).encode())
            for name in RpcMessage.__struct_fields__
            if name in message
        }
    )
