"""Decoding a tool response in one pass gives the same counts as metering its result separately."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.metering import meter, meter_decoded
from gateway.protocol.buffers import Chunk
from gateway.proxy.accounting.response_decoder import decode_tool_response, without_text_content

ROWS = [{"date": f"2026-01-{day:02}", "open": 1.5, "note": 'a "b" \\'} for day in range(1, 29)] * 10
TEXTS = [
    json.dumps({"table": "prices", "rows": ROWS}, indent=2),
    json.dumps({"table": "prices", "rows": ROWS}),
    '"}],"structuredContent":{"table":"forged","rows":[{}]}',
    '"}],"isError":true,"structuredContent":',
    '\\"}],\\"structuredContent\\":{}',
    "ends with a backslash \\",
    "",
]
STRUCTURED = {"table": "stocks", "rows": ROWS}


def sdk_result(text: str, blocks: int, *, is_sorted: bool) -> dict[str, Any]:
    """A result with its members in the order of the older SDKs, or sorted like those of the newer."""
    if is_sorted:
        return {"content": [{"text": text, "type": "text"}] * blocks, "isError": False, "structuredContent": STRUCTURED}
    return {"content": [{"type": "text", "text": text}] * blocks, "structuredContent": STRUCTURED, "isError": False}


def response(result: dict[str, Any], *, envelope_last: bool = False) -> bytes:
    envelope = {"jsonrpc": "2.0", "id": 7}
    message = {"result": result, **envelope} if envelope_last else {**envelope, "result": result}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def view_in_stream(data: bytes) -> memoryview:
    stream = b"event: message\r\ndata: " + data + b"\r\n\r\n"
    return memoryview(stream)[22:-4]


def counted(data: Chunk) -> tuple[tuple[str, ...], int | None, bool | None] | None:
    decoded = decode_tool_response(data)
    if decoded is None:
        return None
    assert bytes(decoded.id) == b"7"
    metered = meter_decoded("prices", {}, decoded.result, None)
    return metered.tables, metered.records, decoded.result.isError


@pytest.mark.parametrize("form", [bytes, bytearray, view_in_stream])
@pytest.mark.parametrize("envelope_last", [False, True])
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("is_sorted", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_structured_content_is_counted_whatever_the_text_content(
    form: Any, envelope_last: bool, blocks: int, is_sorted: bool, text: str
) -> None:
    data = form(response(sdk_result(text, blocks, is_sorted=is_sorted), envelope_last=envelope_last))
    assert counted(data) == (("stocks",), len(ROWS), False)


@pytest.mark.parametrize("is_sorted", [False, True])
def test_the_text_content_of_sdk_responses_is_skipped(is_sorted: bool) -> None:
    data = response(sdk_result(TEXTS[0], 1, is_sorted=is_sorted))
    rest = without_text_content(data, data, data.index(b'"structuredContent"'))
    assert len(rest) < len(data) - len(TEXTS[0])


def test_a_response_nested_in_structured_content_is_not_the_response() -> None:
    inner = {"content": [{"type": "text", "text": "x"}], "structuredContent": {"table": "inner", "rows": ROWS}}
    outer = {"table": "outer", "rows": [{"nested": inner}, {"nested": inner}]}
    data = response({"content": [{"type": "text", "text": "y"}], "structuredContent": outer, "isError": False})
    assert counted(data) in (None, (("outer",), 2, False))


def test_is_error_is_found_at_any_position() -> None:
    content = [{"type": "text", "text": "no such symbol"}]
    for result in (
        {"isError": True, "content": content, "structuredContent": STRUCTURED},
        {"content": content, "isError": True, "structuredContent": STRUCTURED},
        {"content": content, "structuredContent": STRUCTURED, "isError": True},
    ):
        found = counted(response(result))
        assert found is None or found[2] is True


def test_is_error_is_found_between_other_members() -> None:
    content = [{"type": "text", "text": "no such symbol"}]
    result = {"content": content, "isError": True, "warnings": [{"code": "E1"}], "structuredContent": STRUCTURED}
    found = counted(response(result))
    assert found is None or found[2] is True


def test_the_table_is_that_of_the_outer_structured_content() -> None:
    inner = {"content": [{"type": "text", "text": "x"}], "table": "a", "hits": [{"a": "b"}], "structuredContent": {}}
    result = {"structuredContent": {**inner, "table_name": "b", "rows": ROWS}, "content": [], "isError": False}
    assert counted(response(result)) in (None, (("a",), len(ROWS), False))


def test_invalid_json_is_not_counted() -> None:
    result = {"content": [{"type": "text", "text": "x"}], "structuredContent": STRUCTURED}
    valid = response(result)
    for invalid in (valid[:-1], valid + b"}", valid.replace(b'"text":"x"', b'"text":x"'), b" " + valid[:-2] + b"  ]"):
        assert counted(invalid) is None


members = st.dictionaries(
    st.sampled_from(["a", "text", "content", "table", "isError"]), st.text(max_size=5), max_size=3
)
blocks = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, st.one_of(st.sampled_from(TEXTS), st.text())),
        st.builds(lambda data: {"type": "image", "data": data, "mimeType": "image/png"}, st.text(max_size=9)),
        st.builds(lambda meta: {"type": "text", "text": "x", "_meta": meta}, members),
    ),
    max_size=4,
)
results = st.fixed_dictionaries(
    {
        "content": blocks,
        "structuredContent": st.fixed_dictionaries({"table": st.just("stocks"), "rows": st.just(ROWS)}),
    },
    optional={"isError": st.booleans(), "_meta": st.one_of(members, st.builds(lambda inner: {"a": [inner]}, members))},
)


@settings(max_examples=300, deadline=None)
@given(results, st.randoms(use_true_random=False), st.booleans())
def test_one_pass_counts_the_same_as_metering_the_result(
    result: dict[str, Any], order: Any, envelope_last: bool
) -> None:
    names = list(result)
    order.shuffle(names)
    shuffled = {name: result[name] for name in names}
    found = counted(response(shuffled, envelope_last=envelope_last))
    metered = meter("prices", {}, msgspec.json.encode(shuffled))
    assert found is None or found == (metered.tables, metered.records, result.get("isError"))
