"""Cached results are used only for requests to which they apply."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.admitted_request import NO_SESSION, Principal, Session
from gateway.proxy.admission.head_cache import CachedAdmission
from tests.proxy.callers import CALLER

RECORD = KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-abc", owner="ann@example.com", created_at=0)
ADMISSION = CachedAdmission(Principal(ApiKey.generate(), RECORD), NO_SESSION, CALLER, b"POST /mcp HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked_at": 1},
        {"suspended_at": 1},
        {"allowed_tools": ("get",)},
        {"rate_limit_per_minute": 1},
        {"tool_rate_limits": {"get": 1}},
        {"owner": "bob@example.com"},
    ],
)
def test_an_admission_applies_only_to_an_equal_record(changes: dict[str, Any]) -> None:
    assert ADMISSION.applies_to(msgspec.structs.replace(RECORD), NO_SESSION)
    assert not ADMISSION.applies_to(msgspec.structs.replace(RECORD, **changes), NO_SESSION)


def test_an_admission_applies_only_to_its_session() -> None:
    assert not ADMISSION.applies_to(RECORD, Session(owner="ann@example.com"))
