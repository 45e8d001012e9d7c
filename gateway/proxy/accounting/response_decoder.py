"""Reading what an upstream answers, as far as counting and checking need it.

The rules:

- The parts that are not looked at stay the bytes that they were.
- JSON that is read by lenient parsers alone (`NaN`, a lone surrogate) is read here too, so that it cannot pass unseen.
- Nothing here raises for what an upstream sends, or does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.metering import MAX_RESULT, Result, structured_fast_path, wire
from gateway.protocol.buffers import Chunk

ABSENT = msgspec.Raw(b"")
_MAX_SMALL = 8 * 1024
"""Bytes of an answer of which no guess is made before it is read."""
_STRUCTURED = b'"structuredContent":'
_BEFORE_TEXT = (b'"result":{"content":[{"type":"text","text":"', b'"result":{"content":[{"text":"')
_BEHIND_TEXT = b'"}],"'
_BETWEEN = 128
"""Bytes in which other members may stand between the content and the structured content."""
_NEAR = 1024
"""Bytes of an answer in which the content begins, if it is the first member of the result."""
_FIRST = 32
"""Bytes by which its beginning is found in what it is a part of."""
_MAX_LENIENT = 2_500_000
"""Bytes that are read a second time where the strict parser gave up."""


class RpcAnswer(msgspec.Struct):
    """One message of the upstream; a member that is absent is empty."""

    id: msgspec.Raw = ABSENT
    method: msgspec.Raw = ABSENT
    params: msgspec.Raw = ABSENT
    result: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT

    @property
    def is_odd(self) -> bool:
        """Whether it is no message of JSON-RPC, so that readers may differ in what they take it for."""
        if self.method:
            return bool(self.result or self.error)
        return not self.id if self.result else not self.error


class ToolAnswer(msgspec.Struct):
    """The usual answer to a `tools/call`, read in one pass with its result."""

    id: msgspec.Raw
    result: Result
    method: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class _SmallAnswer(ToolAnswer):
    result: wire.Result


class _TextAnswer(ToolAnswer):
    result: wire.LargeResult


class _DeclaredAnswer(msgspec.Struct):
    id: msgspec.Raw
    result: structured_fast_path.DeclaredResult
    method: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


class ResultHead(msgspec.Struct, rename="camel"):
    """The members of a result that tell what kind of a result it is; those of a task's state among them."""

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
    def is_of_a_tool(self) -> bool:
        """Whether it looks like the result of a `tools/call`."""
        return bool(self.content or self.structured_content)


class _ErrorHead(msgspec.Struct):
    code: int = 0


_one = msgspec.json.Decoder(RpcAnswer)
_small_answer = msgspec.json.Decoder(_SmallAnswer)
_text_answer = msgspec.json.Decoder(_TextAnswer)
_declared_answer = msgspec.json.Decoder(_DeclaredAnswer)
_many = msgspec.json.Decoder(list[RpcAnswer])
_head = msgspec.json.Decoder(ResultHead)
_error_head = msgspec.json.Decoder(_ErrorHead)


def read_tool_answer(data: Chunk) -> ToolAnswer | None:
    """The complete result of a tool, and nothing else; `None` where it is anything else, or beyond the bounds."""
    if len(data) > MAX_RESULT:
        return None
    try:
        answer = _small_answer.decode(data) if len(data) <= _MAX_SMALL else _read_large(data)
    except (msgspec.MsgspecError, RecursionError):
        return None
    result = answer.result
    if answer.method or answer.error or result.may_be_incomplete or not result.is_of_a_tool:
        return None
    return answer


def _read_large(data: Chunk) -> ToolAnswer:
    """A guess at what is in it decides which parts are read in the same pass; what was wrong is read once more."""
    # For a guess, the whole buffer will do.
    text = data.obj if isinstance(data, memoryview) else data
    assert isinstance(text, bytes | bytearray)
    at = text.rfind(_STRUCTURED)
    if at < 0:
        return wire.within_bounds(_text_answer, data)
    answer = None
    if structured_fast_path.is_likely(text, at):
        rest = _without_text(data, text, at)
        answer = _read_declared(rest)
        if rest is not data and answer is not None and answer.result.isError is not False:
            # It may have been left out that it is one.
            answer = _read_declared(data)
    return answer or _small_answer.decode(data)


def _without_text(data: Chunk, text: bytes | bytearray, at: int) -> Chunk:
    """The answer with nothing in the text content before its structured content, which is at `at` in `text`.

    That saves a third of the time. The quotes around what is left out cannot be those of a string in valid JSON, so it
    is content; or content and further members, the last of them a list of objects, which no `CallToolResult` has. Of
    such members `isError` would count: so what is left has to say that it is no error.
    """
    head = bytes(data[:_NEAR])
    start, behind = text.find(head[:_FIRST]), text.rfind(_BEHIND_TEXT, max(0, at - _BETWEEN), at + 1)
    member = behind + len(_BEHIND_TEXT)
    for opening in _BEFORE_TEXT:
        before = head.find(opening) + len(opening)
        if len(opening) <= before <= behind - start and text[member : member + 1].isalpha():
            return b"".join((head[:before], memoryview(text)[behind : start + len(data)]))
    return data


def _read_declared(data: Chunk) -> ToolAnswer | None:
    try:
        answer = _declared_answer.decode(data)
    except msgspec.ValidationError:
        return None
    result = answer.result.counted()
    return None if result is None else ToolAnswer(answer.id, result, answer.method, answer.error)


def read_answers(data: Chunk) -> Sequence[RpcAnswer]:
    """The messages in one JSON text; none where it holds none."""
    try:
        if bytes(data[:64]).lstrip().startswith(b"["):
            return _many.decode(data)
        return (_one.decode(data),)
    except (msgspec.MsgspecError, RecursionError):
        return _read_leniently(data)


def result_head(result: bytes | msgspec.Raw) -> ResultHead:
    """What kind of a result it is."""
    try:
        return _head.decode(result)
    except msgspec.MsgspecError:
        return _members_of_odd_types(result)


def error_code(error: bytes | msgspec.Raw) -> int:
    """The code of an error object; 0 where it has none."""
    try:
        return _error_head.decode(error).code
    except msgspec.MsgspecError:
        return 0


def decoded(value: msgspec.Raw) -> object:
    """What a member is; `None` where only lenient readers can tell."""
    try:
        return msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return None


def no_error(result: bytes | msgspec.Raw) -> bytes:
    """The same result without the mark of an error."""
    try:
        members = msgspec.json.decode(result, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return bytes(result)
    members.pop("isError", None)
    return msgspec.json.encode(members)


def rebuilt(data: Chunk, answers: Sequence[RpcAnswer], replaced: Mapping[int, bytes]) -> bytes:
    """The same JSON text with some of its messages replaced, or dropped where nothing replaces them."""
    if len(answers) == 1 and not bytes(data[:64]).lstrip().startswith(b"["):
        return replaced[0]
    try:
        originals = [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])]
    except msgspec.MsgspecError:
        originals = [b"null"] * len(answers)
    passed = [message for index, raw in enumerate(originals) if (message := replaced.get(index, raw))]
    return b"[" + b",".join(passed) + b"]" if passed else b""


def _members_of_odd_types(result: bytes | msgspec.Raw) -> ResultHead:
    """Where a member has a type that it should not have, the others still count."""
    try:
        members = msgspec.json.decode(result, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return ResultHead()
    head = ResultHead()
    for field in msgspec.structs.fields(ResultHead):
        if (member := members.get(field.encode_name)) is not None:
            try:
                setattr(head, field.name, msgspec.json.decode(member, type=field.type))
            except msgspec.MsgspecError:
                continue
    return head


def _read_leniently(data: Chunk) -> Sequence[RpcAnswer]:
    if len(data) > _MAX_LENIENT:
        return ()
    try:
        value: Any = json.loads(bytes(data))
        messages = value if isinstance(value, list) else [value]
        return [_of_members(message) for message in messages]
    except (ValueError, RecursionError):
        return ()


def _of_members(message: Any) -> RpcAnswer:
    if not isinstance(message, dict):
        return RpcAnswer()
    return RpcAnswer(
        **{
            name: msgspec.Raw(json.dumps(message[name]).encode())
            for name in RpcAnswer.__struct_fields__
            if name in message
        }
    )
