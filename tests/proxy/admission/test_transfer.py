"""A key that was transferred to another owner, in a worker that has cached the key and its sessions."""

from __future__ import annotations

from gateway.keys.secret import ApiKey
from tests.proxy.keep_alive import SINGLE_RESULT, warm_client
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import ScriptedUpstream, answer_raw, http
from tests.support.waiting import until

FORMER, NEW = "ann@example.com", "bob@example.com"


async def transfer(gateway: Gateway, key_id: str, key: str) -> None:
    """Transfer a key that the worker has cached, and wait until the worker knows."""
    assert gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is not None
    await gateway.keys.transfer(key_id, NEW)
    await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)


async def test_its_sessions_end_for_it_and_stay_with_the_former_owner(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    record, key = await gateway.new_key(FORMER)
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    async with warm_client(gateway, upstream, key, b"Mcp-Session-Id: s-1") as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
        await transfer(gateway, record.key_id, key)
        upstream.requests.clear()
        for _ in range(2):
            assert (await client.exchange(call())).startswith(b"HTTP/1.1 404 ")
    for method in ("GET", "DELETE"):
        assert (await gateway.request(method, key=key, Mcp_Session_Id="s-1")).status == 404
    assert upstream.requests == []
    assert (await gateway.post(call(), await gateway.key(FORMER), Mcp_Session_Id="s-1")).status == 200
    assert (await gateway.post(call(), await gateway.key(NEW), Mcp_Session_Id="s-1")).status == 404


async def test_its_further_calls_are_the_new_owners_and_its_past_usage_the_formers(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    record, key = await gateway.new_key(FORMER)
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    async with warm_client(gateway, upstream, key) as client:
        assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
        await transfer(gateway, record.key_id, key)
        for _ in range(2):
            assert (await client.exchange(call())).startswith(b"HTTP/1.1 200 ")
    events = await gateway.until_events(4)
    assert [(event.key_id, event.owner) for event in events] == [
        (record.key_id, owner) for owner in (FORMER, FORMER, NEW, NEW)
    ]


async def test_its_own_counts_go_with_it(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    record, key = await gateway.new_key(FORMER, calls_per_day=2)
    upstream.answer = answer_raw(http(SINGLE_RESULT))
    assert (await gateway.post(call(), key)).status == 200
    await transfer(gateway, record.key_id, key)
    assert [(await gateway.post(call(), key)).status for _ in range(2)] == [200, 429]
