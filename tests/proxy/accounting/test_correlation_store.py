"""A pending request is taken once, even if a worker dies or Redis loses a reply, and storage is bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.proxy.accounting import correlation_store
from gateway.proxy.accounting.correlation_models import RegisteredRequest, Scope
from gateway.proxy.accounting.correlation_store import TAKE_SECONDS, CorrelationStore, IdInUse, TooManyPendingRequests
from tests.proxy.callers import CALLER
from tests.support.clock import Clock

SESSION = Scope("ann", "session", "s")


@pytest.fixture
def store(redis: Redis, clock: Clock) -> CorrelationStore:
    return CorrelationStore(redis, now_ms=clock.now_ms)


def request(number: int = 1, **fields: Any) -> RegisteredRequest:
    return RegisteredRequest(
        event_id=f"{number:032x}",
        id_json=str(number),
        method="tools/call",
        caller=CALLER,
        started_ms=5,
        **{"tool": "get", "arguments": {"a": [1, "\n"]}, **fields},
    )


async def test_a_registered_request_is_taken_unchanged(store: CorrelationStore) -> None:
    registered = request(tables=("t",), slots=(("slots:key_1", "w:1:1"),), task_id="x")
    await store.register(SESSION, [("1", registered)])
    found = await store.take(SESSION, "1", "a")
    assert (found.state, found.request, found.is_certain) == ("taken", registered, True)


def test_a_request_of_an_earlier_version_is_read_as_it_is() -> None:
    fields = msgspec.to_builtins(request()) | {"records_per_day": 5, "records_per_month": 6}
    assert msgspec.convert(fields, RegisteredRequest) == request()


async def test_only_one_of_many_takers_succeeds(store: CorrelationStore) -> None:
    await store.register(SESSION, [("1", request())])
    found = await asyncio.gather(*(store.take(SESSION, "1", f"taker{number}") for number in range(20)))
    assert sorted(each.state for each in found) == ["counted"] * 19 + ["taken"]


@pytest.mark.parametrize(
    "scope",
    [Scope("bob", "session", "s"), Scope("ann", "session", "t"), Scope("ann", "key", "s"), Scope("ann", "tasks")],
)
async def test_ids_of_another_scope_or_type_do_not_match(store: CorrelationStore, scope: Scope) -> None:
    await store.register(SESSION, [("1", request())])
    assert (await store.take(scope, "1", "a")).state == "unknown"
    assert (await store.take(SESSION, '"1"', "a")).state == "unknown"


async def test_a_command_that_is_retried_after_a_lost_reply_takes_effect_once(
    store: CorrelationStore,
) -> None:
    registered = request(is_restricted=True, is_kept=True)
    for _ in range(2):
        await store.register(SESSION, [("1", registered)])
    for _ in range(2):
        found = await store.take(SESSION, "1", "a")
        assert (found.state, found.is_certain) == ("taken", True)
    for _ in range(2):
        await store.confirm(SESSION, "1", "a")
    assert (await store.take(SESSION, "1", "b")).state == "counted"


async def test_an_unconfirmed_claim_expires(store: CorrelationStore, clock: Clock) -> None:
    await store.register(SESSION, [("1", request())])
    await store.take(SESSION, "1", "dead")
    assert (await store.take(SESSION, "1", "b")).state == "counted"
    clock.advance(TAKE_SECONDS + 0.001)
    found = await store.take(SESSION, "1", "c")
    assert (found.state, found.request) == ("taken", request())
    await store.confirm(SESSION, "1", "dead")
    await store.confirm(SESSION, "1", "c")
    clock.advance(TAKE_SECONDS + 0.001)
    assert (await store.take(SESSION, "1", "d")).state == "counted"


async def test_requests_with_one_id_are_taken_once_each_the_own_one_of_the_taker_first(store: CorrelationStore) -> None:
    first, second, third = request(1), request(2), request(3)
    for registered in (first, second, third):
        await store.register(SESSION, [("1", registered)])
    assert (await store.take(SESSION, "1", "a", second)).request == second
    assert (await store.take(SESSION, "1", "b")).request == first
    assert (await store.take(SESSION, "1", "c", first)).request == third
    assert (await store.take(SESSION, "1", "d", third)).state == "counted"


async def test_an_answered_request_of_a_restricted_key_is_kept(store: CorrelationStore) -> None:
    registered = request(is_restricted=True, is_kept=True)
    await store.register(SESSION, [("1", registered)])
    await store.take(SESSION, "1", "a")
    await store.confirm(SESSION, "1", "a")
    found = await store.take(SESSION, "1", "b")
    assert (found.state, found.request, found.is_certain) == ("counted", registered, True)


@pytest.mark.parametrize("is_answered", [True, False])
async def test_an_id_that_a_restricted_key_used_twice_stays_ambiguous(
    store: CorrelationStore, is_answered: bool
) -> None:
    await store.register(SESSION, [("1", request(1, is_restricted=True, is_kept=True))])
    if is_answered:
        await store.take(SESSION, "1", "a")
        await store.confirm(SESSION, "1", "a")
    await store.register(SESSION, [("1", request(2, is_restricted=True, is_kept=True))])
    for taker in ("b", "b", "c", "d"):
        assert not (await store.take(SESSION, "1", taker)).is_certain


async def test_a_restricted_key_cannot_reuse_a_pending_id_if_responses_are_not_replayed(
    store: CorrelationStore,
) -> None:
    for _ in range(2):
        await store.register(SESSION, [("1", request(1, is_restricted=True))])
    with pytest.raises(IdInUse):
        await store.register(SESSION, [("1", request(2, is_restricted=True))])
    await store.take(SESSION, "1", "a")
    await store.confirm(SESSION, "1", "a")
    await store.register(SESSION, [("1", request(2, is_restricted=True))])
    found = await store.take(SESSION, "1", "b")
    assert (found.state, found.is_certain) == ("taken", True)


async def test_a_withdrawn_request_is_unknown(store: CorrelationStore) -> None:
    await store.register(SESSION, [("1", request())])
    await store.withdraw(SESSION, [("1", request())])
    assert (await store.take(SESSION, "1", "a")).state == "unknown"


async def test_the_number_of_requests_is_bounded_per_session_per_owner_and_in_total(
    store: CorrelationStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation_store, "MAX_IN_SESSION", 2)
    monkeypatch.setattr(correlation_store, "MAX_OF_OWNER", 3)
    monkeypatch.setattr(correlation_store, "MAX_IN_ALL", 4)
    another, bobs = Scope("ann", "session", "t"), Scope("bob", "session", "s")
    await store.register(SESSION, [("1", request(1)), ("2", request(2))])
    with pytest.raises(TooManyPendingRequests):
        await store.register(SESSION, [("3", request(3))])
    await store.register(another, [("1", request(4))])
    with pytest.raises(TooManyPendingRequests):
        await store.register(another, [("2", request(5))])
    await store.register(bobs, [("1", request(6))])
    with pytest.raises(TooManyPendingRequests):
        await store.register(bobs, [("2", request(7))])
    await store.take(SESSION, "1", "a")
    await store.register(bobs, [("2", request(7))])
    clock.advance(correlation_store.LIFETIME + 0.001)
    await store.register(SESSION, [("3", request(8)), ("4", request(9))])


async def test_kept_requests_of_a_restricted_key_count_towards_the_bound(
    store: CorrelationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation_store, "MAX_IN_SESSION", 2)
    for number in (1, 2):
        await store.register(SESSION, [(str(number), request(number, is_restricted=True, is_kept=True))])
        await store.take(SESSION, str(number), "a")
        await store.confirm(SESSION, str(number), "a")
    with pytest.raises(TooManyPendingRequests):
        await store.register(SESSION, [("3", request(3))])


async def test_an_ended_session_leaves_nothing_in_redis(store: CorrelationStore, redis: Redis) -> None:
    await store.register(SESSION, [("1", request(1)), ("2", request(2))])
    await store.delete_scope(SESSION)
    assert [name async for name in redis.scan_iter()] == []


async def test_the_number_of_requests_with_one_id_is_bounded(store: CorrelationStore) -> None:
    for number in range(100):
        await store.register(SESSION, [("1", request(number))])
    with pytest.raises(TooManyPendingRequests):
        await store.register(SESSION, [("1", request(100))])


async def test_everything_stored_in_redis_expires(store: CorrelationStore, redis: Redis) -> None:
    for number in range(4):
        registered = msgspec.structs.replace(request(number), is_restricted=number > 1, is_kept=number > 1)
        await store.register(SESSION, [(str(number), registered)])
        await store.take(SESSION, str(number), "a")
        if number % 2:
            await store.confirm(SESSION, str(number), "a")
    await store.register_task("ann", "task", request(9), seconds=30)
    names = [name async for name in redis.scan_iter()]
    assert len(names) >= 6
    assert all([0 < await redis.ttl(name) <= correlation_store.LIFETIME for name in names])


async def test_a_task_belongs_to_the_owner_that_registered_it_first(store: CorrelationStore) -> None:
    await store.register_task("ann", "task", request(), seconds=30)
    await store.register_task("bob", "task", request(2), seconds=30)
    assert await store.none_owned_by_others("ann", ["another", "task"])
    assert not await store.none_owned_by_others("bob", ["another", "task"])
    assert await store.none_owned_by_others("bob", ["another"])
