"""`Mcp-Method` and `Mcp-Name` must not differ from the body."""

from __future__ import annotations

import base64
import json

import pytest

from gateway.protocol.message import Body
from gateway.protocol.message_parser import parse_body
from gateway.protocol.routing_headers import find_mismatch


def body(method: str, **params: object) -> Body:
    return parse_body(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())


CALL = body("tools/call", name="get_prices")


def test_headers_that_agree_or_are_missing_are_no_mismatch() -> None:
    assert not find_mismatch(CALL, "tools/call", "get_prices")
    assert not find_mismatch(CALL, " tools/call ", None)
    assert not find_mismatch(CALL, None, None)
    assert not find_mismatch(body("ping"), "ping", "anything")


@pytest.mark.parametrize(
    ("method", "name"),
    [("initialize", None), ("Tools/call", None), (None, "other"), ("tools/call", "Get_prices"), ("", None)],
)
def test_headers_that_differ_are_reported(method: str | None, name: str | None) -> None:
    assert find_mismatch(CALL, method, name)


def test_a_name_beyond_ascii_is_sent_in_base64() -> None:
    call = body("tools/call", name="prix_été")
    encoded = f"=?base64?{base64.b64encode('prix_été'.encode()).decode()}?="
    assert not find_mismatch(call, None, encoded)
    assert find_mismatch(call, None, "=?base64?####?=")


def test_the_name_of_a_resource_is_its_uri() -> None:
    assert not find_mismatch(body("resources/read", uri="a://b"), "resources/read", "a://b")
    assert find_mismatch(body("resources/read", uri="a://b"), "resources/read", "a://c")


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_the_name_of_a_task_is_its_id(method: str) -> None:
    assert not find_mismatch(body(method, taskId="t1"), method, "t1")
    assert find_mismatch(body(method, taskId="t1"), method, "t2")


def test_headers_cannot_describe_a_batch() -> None:
    batch = parse_body(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]')
    assert find_mismatch(batch, "ping", None)
