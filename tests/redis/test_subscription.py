"""The subscription to a channel: every loss is noticed, and it is restored."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from gateway.redis.client import connect
from gateway.redis.subscription import Subscription
from tests.support.valkey import Valkey
from tests.support.waiting import until

CHANNEL = "channel"


class Subscriber:
    """A subscription that records what it is called back with."""

    def __init__(self, url: str, ping_interval: float) -> None:
        self.client = connect(url)
        self.subscribed: asyncio.Queue[None] = asyncio.Queue()
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.fails = False
        self.subscription = Subscription(
            self.client,
            CHANNEL,
            on_subscribed=lambda: self.subscribed.put_nowait(None),
            on_message=self.receive,
            ping_interval=ping_interval,
        )

    def receive(self, message: bytes) -> None:
        self.messages.put_nowait(message)
        if self.fails:
            raise RuntimeError("the callback failed")

    async def stop(self) -> None:
        await self.subscription.stop()
        await self.client.aclose()


@pytest.fixture
async def subscriber(redis: redis.asyncio.Redis, valkey_url: str) -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(valkey_url, ping_interval=0.01)
    await subscriber.subscription.start()
    yield subscriber
    await subscriber.stop()


async def test_a_silent_server_is_noticed(valkey: Valkey) -> None:
    subscriber = Subscriber(valkey.url, ping_interval=0.1)
    await subscriber.subscription.start()
    await subscriber.subscribed.get()
    assert valkey.process is not None
    valkey.process.send_signal(signal.SIGSTOP)
    await until(lambda: not subscriber.subscription.is_subscribed)
    valkey.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(30):
        await subscriber.subscribed.get()
    assert subscriber.subscription.is_subscribed
    await subscriber.stop()


async def test_a_channel_without_messages_stays_subscribed(subscriber: Subscriber, redis: redis.asyncio.Redis) -> None:
    await redis.publish(CHANNEL, "first")
    assert await subscriber.messages.get() == b"first"
    # Some twenty pings.
    await asyncio.sleep(0.2)
    assert subscriber.subscription.is_subscribed
    assert subscriber.subscribed.qsize() == 1


async def test_a_callback_that_fails_does_not_end_the_subscription(
    subscriber: Subscriber, redis: redis.asyncio.Redis
) -> None:
    await subscriber.subscribed.get()
    subscriber.fails = True
    await redis.publish(CHANNEL, "first")
    async with asyncio.timeout(30):
        await subscriber.subscribed.get()
    subscriber.fails = False
    assert await subscriber.messages.get() == b"first"
    await redis.publish(CHANNEL, "second")
    async with asyncio.timeout(30):
        assert await subscriber.messages.get() == b"second"


async def test_a_server_that_still_loads_its_data_is_not_subscribed_to(valkey: Valkey) -> None:
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.mset({f"key {number}": number for number in range(2000)})
        await client.bgrewriteaof()
        await until(lambda: _is_rewritten(client))
    subscriber = Subscriber(valkey.url, ping_interval=0.1)
    await subscriber.subscription.start()
    await subscriber.subscribed.get()
    valkey.kill()
    await until(lambda: not subscriber.subscription.is_subscribed)
    slowly = ("--key-load-delay", "200", "--loading-process-events-interval-bytes", "1024")
    starting = asyncio.create_task(asyncio.to_thread(valkey.start, *slowly))
    await subscriber.subscribed.get()
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        assert await client.get("key 1") == b"1"
    await starting
    await subscriber.stop()


async def _is_rewritten(client: redis.asyncio.Redis) -> bool:
    info = await client.info("persistence")
    return not info["aof_rewrite_in_progress"] and info["aof_last_bgrewrite_status"] == "ok"
