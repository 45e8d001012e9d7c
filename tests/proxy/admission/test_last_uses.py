"""The last use of each secret of a key, as the worker records it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.keys import last_used
from gateway.keys.storage.last_uses import SecretUse
from tests.proxy.keep_alive import SINGLE_RESULT, warm_client
from tests.support.gateway import Gateway, call
from tests.support.keys import live_secrets
from tests.support.scripted_upstream import ScriptedUpstream, answer_raw, http


@pytest.fixture(autouse=True)
def quick_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_used, "FLUSH_INTERVAL", 0.01)


async def uses(gateway: Gateway, key_id: str, clients: list[str]) -> list[SecretUse | None]:
    """Return the last uses when those are written, newest secret first."""
    while True:
        found = [secret.last_use for secret in await live_secrets(gateway.keys, key_id)]
        if [use and use.client for use in found] == clients:
            return found


async def test_each_secret_has_its_last_client_and_address(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    record, first = await gateway.new_key()
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    rotated = await gateway.keys.rotate(record.key_id, 3600)
    assert rotated is not None
    async with warm_client(gateway, upstream, rotated[1].text, b"User-Agent: fast/1") as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
        assert (await gateway.post(call(), first, User_Agent="general/2")).status == 200
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
        async with asyncio.timeout(30):
            found = await uses(gateway, record.key_id, ["fast", "general"])
    assert {use.address for use in found if use is not None} == {"127.0.0.1"}


async def test_a_get_is_a_use_and_a_refused_call_is_none(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    record, key = await gateway.new_key(allowed_tools=["other"])
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    assert (await gateway.post(call(), key, User_Agent="refused/1")).status == 403
    assert (await gateway.request("GET", key=key, User_Agent="listening/1")).status == 200
    async with asyncio.timeout(30):
        await uses(gateway, record.key_id, ["listening"])
