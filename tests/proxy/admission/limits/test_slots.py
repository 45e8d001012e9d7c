"""Slots: no more calls than `max_concurrent` are in flight on all workers together."""

from __future__ import annotations

from typing import cast

from redis.asyncio import Redis

from gateway.keys.record import OwnerPolicy
from gateway.proxy.admission.limits.permit import Permit
from gateway.redis import names as redis_names
from tests.proxy.admission.limits.workers import FixedTime, LimitWorker, key


async def test_no_more_calls_than_the_limit_are_in_flight_on_all_workers(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(3)]
    record = key(max_concurrent=4)
    outcomes = [await workers[number % 3].admit(record) for number in range(9)]
    permits = [outcome for outcome in outcomes if isinstance(outcome, Permit)]
    assert len(permits) == 4
    deny = await workers[0].consume(record)
    assert deny is not None
    assert (deny.status, deny.reason, deny.retry_after) == (429, "concurrency", 1)
    assert "limit of 4 calls at the same time" in deny.message
    assert await workers[0].consume(record, tools=()) is None, "only calls hold slots"
    permits[0].release()
    permits[0].release()
    assert isinstance(await workers[1].admit(record), Permit)
    assert await workers[1].consume(record) is not None


async def test_a_batch_holds_a_slot_for_each_of_its_calls(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(OwnerPolicy(max_concurrent=3), max_concurrent=5)
    batch = await worker.admit(record, requests=2, tools=["a", "b"])
    assert isinstance(batch, Permit)
    assert len(batch.slots) == 4, "of the key and of its owner"
    assert await worker.consume(record, requests=2, tools=["a", "b"]) is not None
    batch.release()
    assert await worker.consume(record, requests=3, tools=["a", "b", "c"]) is None


async def test_slots_of_a_dead_worker_are_free_after_their_deadline_and_those_of_a_living_one_are_renewed(
    redis: Redis,
) -> None:
    dead, living = LimitWorker(redis), LimitWorker(redis)
    record = key(max_concurrent=2)
    assert isinstance(await dead.admit(record), Permit)
    assert isinstance(await living.admit(record), Permit)
    name = redis_names.CALL_SLOTS + "key_1"
    await age(redis, name, 19_000)
    living.limiter.maintain(renews=True)
    assert await living.consume(record) is not None
    await age(redis, name, 2_000)
    assert await living.consume(record) is None
    assert await redis.zcard(name) == 1


async def age(redis: Redis, name: str, ms: int) -> None:
    """Make all slots appear to be older."""
    for slot in await redis.zrange(name, 0, -1):
        await redis.zincrby(name, -ms, cast(bytes, slot))


async def test_a_lent_slot_is_held_while_its_call_is_pending_whoever_releases_it(redis: Redis) -> None:
    lender, other = LimitWorker(redis), LimitWorker(redis)
    record = key(max_concurrent=1)
    permit = await lender.admit(record)
    assert isinstance(permit, Permit)
    slots = permit.pop_slots()
    await redis.set("{mcpgw}:pending", 1)
    lender.limiter.lend_slots(slots, "{mcpgw}:pending")
    permit.release()
    lender.limiter.maintain(renews=True)
    assert await other.consume(record) is not None
    other.limiter.release_lent_slots(slots)
    assert await other.consume(record) is None
    permit = await lender.admit(record)
    assert isinstance(permit, Permit)
    lender.limiter.lend_slots(permit.pop_slots(), "{mcpgw}:pending")
    await redis.delete("{mcpgw}:pending")
    lender.limiter.maintain(renews=True)
    assert await lender.consume(record) is None, "the call is no longer pending"


async def test_slots_that_could_not_be_renewed_in_an_outage_of_redis_are_held(redis: Redis) -> None:
    time = FixedTime()
    holder, other = LimitWorker(redis, time), LimitWorker(redis, time)
    record = key(max_concurrent=1)
    assert await other.consume(record) is None
    permit = await holder.admit(record)
    assert isinstance(permit, Permit)
    await age(redis, redis_names.CALL_SLOTS + "key_1", 60_000)
    time.seconds += 60
    assert await other.consume(record) is not None, "the outage lasted as long"
    holder.limiter.maintain()
    assert await holder.consume(record) is not None
    for _ in range(2):
        time.seconds += 2
        assert await other.consume(record) is not None, "the slot was renewed"
    await age(redis, redis_names.CALL_SLOTS + "key_1", 60_000)
    assert await other.consume(record) is None
