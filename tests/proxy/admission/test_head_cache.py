"""Cached results are used only for requests to which they apply."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.admitted_request import NO_SESSION, Principal, Session
from gateway.proxy.admission.head import read_head
from gateway.proxy.admission.head_cache import CachedAdmission, CachedRequestHead
from gateway.proxy.admission.origins import Origins
from tests.proxy.callers import CALLER

ORIGINS = Origins(bind_host="127.0.0.1", allowed_hosts=(), allowed_origins=(), trusted_proxies=())
HEADERS = ((b"Host", b"localhost"), (b"Authorization", b"Bearer sk-1"), (b"X", b"y"))
RECORD = KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-abc", owner="ann@example.com", created_at=0)
CACHED = CachedRequestHead(read_head("POST", "/mcp", HEADERS, "127.0.0.1", ORIGINS))
ADMISSION = CachedAdmission(Principal(ApiKey.generate(), RECORD), NO_SESSION, CALLER, b"POST /mcp HTTP/1.1\r\n")


def test_a_head_matches_by_value() -> None:
    assert CACHED.matches("POST", "/mcp", HEADERS)
    assert CACHED.matches("POST", "/mcp", tuple((bytes(name), bytes(value)) for name, value in HEADERS))


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("DELETE", "/mcp", HEADERS),
        ("POST", "/mcp?session_id=s", HEADERS),
        ("POST", "/mcp", HEADERS[:-1]),
        ("POST", "/mcp", (*HEADERS, (b"X", b"y"))),
        ("POST", "/mcp", (HEADERS[0], (b"Authorization", b"Bearer sk-2"), HEADERS[2])),
        ("POST", "/mcp", (HEADERS[1], HEADERS[0], HEADERS[2])),
        ("POST", "/mcp", (HEADERS[0], HEADERS[1], (b"x", b"y"))),
    ],
)
def test_any_other_head_does_not_match(method: str, target: str, headers: Any) -> None:
    assert not CACHED.matches(method, target, headers)


def test_a_list_of_headers_that_is_changed_later_does_not_change_the_head() -> None:
    headers = list(HEADERS)
    cached = CachedRequestHead(read_head("POST", "/mcp", headers, "127.0.0.1", ORIGINS))
    headers[1] = (b"Authorization", b"Bearer sk-2")
    assert cached.matches("POST", "/mcp", HEADERS)
    assert not cached.matches("POST", "/mcp", tuple(headers))


@pytest.mark.parametrize(
    "changes",
    [{"revoked_at": 1}, {"allowed_tools": ("get",)}, {"rate_limit_per_minute": 1}, {"owner": "bob@example.com"}],
)
def test_an_admission_applies_only_to_an_equal_record(changes: dict[str, Any]) -> None:
    assert ADMISSION.applies_to(msgspec.structs.replace(RECORD), NO_SESSION)
    assert not ADMISSION.applies_to(msgspec.structs.replace(RECORD, **changes), NO_SESSION)


def test_an_admission_applies_only_to_its_session() -> None:
    assert not ADMISSION.applies_to(RECORD, Session(owner="ann@example.com"))
