"""Streams stay open while their key is what it was when they were opened."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.keys.secret import ApiKey
from gateway.proxy.admission.credentials.authentication import Authenticator

RECORD = KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-", owner="ann", created_at=0, allowed_tools=("a",))


@pytest.mark.parametrize(
    ("changes", "is_call_valid", "is_listening_valid"),
    [
        ({}, True, True),
        ({"rate_limit_per_minute": 1, "labels": {"team": "red"}, "max_concurrent": 2}, True, True),
        ({"owner_policy": OwnerPolicy(calls_per_day=1, max_keys=2)}, True, True),
        ({"allowed_tools": ("b",)}, True, False),
        ({"allowed_tools": None}, True, False),
        ({"allowed_tables": ()}, True, False),
        ({"allowed_ips": ("192.0.2.1",)}, True, False),
        ({"read_only": True}, True, False),
        ({"owner_policy": OwnerPolicy(read_only=True)}, True, False),
        ({"owner": "bob"}, False, False),
        ({"revoked_at": 1}, False, False),
    ],
    ids=str,
)
async def test_a_stream_is_no_longer_valid_after_some_changes_of_its_key(
    changes: dict[str, Any], is_call_valid: bool, is_listening_valid: bool
) -> None:
    key = ApiKey.generate()
    changed = msgspec.structs.replace(RECORD, **changes)

    async def find(_key: ApiKey) -> KeyRecord:
        return changed

    authenticator = Authenticator(cast(Any, SimpleNamespace(find=find)), now_ms=lambda: 5)
    assert await authenticator.is_still_valid(key, "ann", None) == is_call_valid
    assert await authenticator.is_still_valid(key, "ann", RECORD.scopes) == is_listening_valid
