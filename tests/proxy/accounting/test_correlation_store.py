"""Requests that wait for answers on other streams: taken once, whatever dies in between, and never without bound."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.proxy.accounting import correlation_store
from gateway.proxy.accounting.correlation_models import PendingRequest, Scope
from gateway.proxy.accounting.correlation_store import CLAIM_SECONDS, CorrelationStore, IdInUse, TooManyPendingRequests
from tests.proxy.callers import CALLER

SESSION = Scope("ann", "session", "s")


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.ms = 1_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def requests(redis: Redis, time: Time) -> CorrelationStore:
    return CorrelationStore(redis, now_ms=time.now_ms)


def request(number: int = 1, **fields: Any) -> PendingRequest:
    return PendingRequest(
        event_id=f"{number:032x}",
        id_json=str(number),
        method="tools/call",
        caller=CALLER,
        started_ms=5,
        **{"tool": "get", "arguments": {"a": [1, "\n"]}, **fields},
    )


async def test_what_was_noted_is_taken_as_it_was(requests: CorrelationStore) -> None:
    noted = request(tables=("t",), has_quota=True, task_id="x")
    await requests.register(SESSION, [("1", noted)])
    found = await requests.claim(SESSION, "1", "a")
    assert (found.state, found.request, found.is_certain) == ("claimed", noted, True)


async def test_of_many_who_take_one_gets_it(requests: CorrelationStore) -> None:
    await requests.register(SESSION, [("1", request())])
    found = await asyncio.gather(*(requests.claim(SESSION, "1", f"claim{number}") for number in range(20)))
    assert sorted(each.state for each in found) == ["claimed"] + ["counted"] * 19


@pytest.mark.parametrize(
    "scope",
    [Scope("bob", "session", "s"), Scope("ann", "session", "t"), Scope("ann", "key", "s"), Scope("ann", "tasks")],
)
async def test_a_scope_has_its_own_ids(requests: CorrelationStore, scope: Scope) -> None:
    await requests.register(SESSION, [("1", request())])
    assert (await requests.claim(scope, "1", "a")).state == "unknown"
    assert (await requests.claim(SESSION, '"1"', "a")).state == "unknown"


async def test_taking_and_noting_twice_because_an_answer_of_redis_was_lost_does_it_once(
    requests: CorrelationStore,
) -> None:
    noted = request(is_restricted=True, is_kept=True)
    for _ in range(2):
        await requests.register(SESSION, [("1", noted)])
    for _ in range(2):
        found = await requests.claim(SESSION, "1", "a")
        assert (found.state, found.is_certain) == ("claimed", True)
    for _ in range(2):
        await requests.confirm(SESSION, "1", "a")
    assert (await requests.claim(SESSION, "1", "b")).state == "counted"


async def test_what_a_worker_took_and_did_not_confirm_is_taken_again_after_a_while(
    requests: CorrelationStore, time: Time
) -> None:
    await requests.register(SESSION, [("1", request())])
    await requests.claim(SESSION, "1", "died")
    assert (await requests.claim(SESSION, "1", "b")).state == "counted"
    time.ms += CLAIM_SECONDS * 1000 + 1
    found = await requests.claim(SESSION, "1", "c")
    assert (found.state, found.request) == ("claimed", request())
    await requests.confirm(SESSION, "1", "died")
    await requests.confirm(SESSION, "1", "c")
    time.ms += CLAIM_SECONDS * 1000 + 1
    assert (await requests.claim(SESSION, "1", "d")).state == "counted"


async def test_of_several_requests_of_one_id_each_is_taken_once_a_workers_own_first(requests: CorrelationStore) -> None:
    first, second, third = request(1), request(2), request(3)
    for noted in (first, second, third):
        await requests.register(SESSION, [("1", noted)])
    assert (await requests.claim(SESSION, "1", "a", second)).request == second
    assert (await requests.claim(SESSION, "1", "b")).request == first
    assert (await requests.claim(SESSION, "1", "c", first)).request == third
    assert (await requests.claim(SESSION, "1", "d", third)).state == "counted"


async def test_it_is_remembered_what_a_restricted_keys_answered_request_was(requests: CorrelationStore) -> None:
    noted = request(is_restricted=True, is_kept=True)
    await requests.register(SESSION, [("1", noted)])
    await requests.claim(SESSION, "1", "a")
    await requests.confirm(SESSION, "1", "a")
    found = await requests.claim(SESSION, "1", "b")
    assert (found.state, found.request, found.is_certain) == ("counted", noted, True)


@pytest.mark.parametrize("is_answered", [True, False])
async def test_an_id_that_a_restricted_key_used_twice_is_never_certain_again(
    requests: CorrelationStore, is_answered: bool
) -> None:
    await requests.register(SESSION, [("1", request(1, is_restricted=True, is_kept=True))])
    if is_answered:
        await requests.claim(SESSION, "1", "a")
        await requests.confirm(SESSION, "1", "a")
    await requests.register(SESSION, [("1", request(2, is_restricted=True, is_kept=True))])
    for claim in ("b", "b", "c", "d"):
        assert not (await requests.claim(SESSION, "1", claim)).is_certain


async def test_an_id_of_a_restricted_key_that_waits_cannot_be_used_again_where_no_answer_is_repeated(
    requests: CorrelationStore,
) -> None:
    for _ in range(2):
        await requests.register(SESSION, [("1", request(1, is_restricted=True))])
    with pytest.raises(IdInUse):
        await requests.register(SESSION, [("1", request(2, is_restricted=True))])
    await requests.claim(SESSION, "1", "a")
    await requests.confirm(SESSION, "1", "a")
    await requests.register(SESSION, [("1", request(2, is_restricted=True))])
    found = await requests.claim(SESSION, "1", "b")
    assert (found.state, found.is_certain) == ("claimed", True)


async def test_what_was_withdrawn_is_not_waited_for(requests: CorrelationStore) -> None:
    await requests.register(SESSION, [("1", request())])
    await requests.withdraw(SESSION, [("1", request())])
    assert (await requests.claim(SESSION, "1", "a")).state == "unknown"


async def test_there_is_a_bound_for_each_scope_and_one_for_all(
    requests: CorrelationStore, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation_store, "MAX_IN_SESSION", 2)
    monkeypatch.setattr(correlation_store, "MAX_OF_OWNER", 3)
    monkeypatch.setattr(correlation_store, "MAX_IN_ALL", 4)
    another, bobs = Scope("ann", "session", "t"), Scope("bob", "session", "s")
    await requests.register(SESSION, [("1", request(1)), ("2", request(2))])
    with pytest.raises(TooManyPendingRequests):
        await requests.register(SESSION, [("3", request(3))])
    await requests.register(another, [("1", request(4))])
    with pytest.raises(TooManyPendingRequests):
        await requests.register(another, [("2", request(5))])
    await requests.register(bobs, [("1", request(6))])
    with pytest.raises(TooManyPendingRequests):
        await requests.register(bobs, [("2", request(7))])
    await requests.claim(SESSION, "1", "a")
    await requests.register(bobs, [("2", request(7))])
    time.ms += correlation_store.LIFETIME * 1000 + 1
    await requests.register(SESSION, [("3", request(8)), ("4", request(9))])


async def test_what_is_remembered_of_a_restricted_key_counts_too(
    requests: CorrelationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation_store, "MAX_IN_SESSION", 2)
    for number in (1, 2):
        await requests.register(SESSION, [(str(number), request(number, is_restricted=True, is_kept=True))])
        await requests.claim(SESSION, str(number), "a")
        await requests.confirm(SESSION, str(number), "a")
    with pytest.raises(TooManyPendingRequests):
        await requests.register(SESSION, [("3", request(3))])


async def test_a_session_that_is_over_leaves_nothing(requests: CorrelationStore, redis: Redis) -> None:
    await requests.register(SESSION, [("1", request(1)), ("2", request(2))])
    await requests.delete_scope(SESSION)
    assert [name async for name in redis.scan_iter()] == []


async def test_many_requests_of_one_id_are_bounded_too(requests: CorrelationStore) -> None:
    for number in range(100):
        await requests.register(SESSION, [("1", request(number))])
    with pytest.raises(TooManyPendingRequests):
        await requests.register(SESSION, [("1", request(100))])


async def test_everything_in_redis_has_an_end(requests: CorrelationStore, redis: Redis) -> None:
    for number in range(4):
        noted = msgspec.structs.replace(request(number), is_restricted=number > 1, is_kept=number > 1)
        await requests.register(SESSION, [(str(number), noted)])
        await requests.claim(SESSION, str(number), "a")
        if number % 2:
            await requests.confirm(SESSION, str(number), "a")
    await requests.register_task("ann", "task", request(9), seconds=30)
    names = [name async for name in redis.scan_iter()]
    assert len(names) >= 6
    assert all([0 < await redis.ttl(name) <= correlation_store.LIFETIME for name in names])


async def test_a_task_belongs_to_the_owner_who_made_it_first(requests: CorrelationStore) -> None:
    await requests.register_task("ann", "task", request(), seconds=30)
    await requests.register_task("bob", "task", request(2), seconds=30)
    assert await requests.owns_tasks("ann", ["another", "task"])
    assert not await requests.owns_tasks("bob", ["another", "task"])
    assert await requests.owns_tasks("bob", ["another"])
