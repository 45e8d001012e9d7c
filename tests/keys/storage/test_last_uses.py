"""The stored last uses of keys and of their secrets."""

from __future__ import annotations

import redis.asyncio

from gateway.keys.secret import ApiKey
from gateway.keys.storage.last_uses import KeyUse, SecretUse
from gateway.keys.store import KeyStore
from tests.support.clock import Clock
from tests.support.keys import live_secrets

OWNER = "ada@example.com"


def use(key_id: str, at: int, client: str = "agent") -> KeyUse:
    return KeyUse(key_id, at, client, "192.0.2.7")


async def record(store: KeyStore, key: ApiKey, key_id: str, at: int, client: str = "agent") -> None:
    await store.last_uses.record({store.digest(key): use(key_id, at, client)})


async def last_uses(store: KeyStore, key_id: str) -> list[SecretUse | None]:
    return [secret.last_use for secret in await live_secrets(store, key_id)]


async def test_an_earlier_use_never_replaces_a_later_one(store: KeyStore) -> None:
    uses = store.last_uses
    record_, key = await store.create(owner=OWNER, key_name="laptop")
    await uses.record({store.digest(key): use(record_.key_id, 5, "later"), "b": use("key_b", 7)})
    await uses.record(
        {store.digest(key): use(record_.key_id, 4, "earlier"), "b": use("key_b", 10), "c": use("key_c", 1)}
    )
    assert await uses.of_keys([record_.key_id, "key_b", "key_c", "key_d"]) == {
        record_.key_id: 5,
        "key_b": 10,
        "key_c": 1,
    }
    assert await last_uses(store, record_.key_id) == [SecretUse(5, "later", "192.0.2.7")]


async def test_any_number_of_uses_is_written(store: KeyStore) -> None:
    await store.last_uses.record({})
    assert await store.last_uses.of_keys([]) == {}
    await store.last_uses.record({f"digest-{n}": use(f"key_{n}", n + 1) for n in range(1200)})
    assert len(await store.last_uses.of_keys([f"key_{n}" for n in range(1200)])) == 1200


async def test_each_live_secret_has_its_own_last_use(store: KeyStore, clock: Clock) -> None:
    record_, first = await store.create(owner=OWNER, key_name="laptop")
    now = clock.now_ms()
    await record(store, first, record_.key_id, now, "old")
    rotated = await store.rotate(record_.key_id, 3600)
    assert rotated is not None
    assert await last_uses(store, record_.key_id) == [None, SecretUse(now, "old", "192.0.2.7")]
    await record(store, rotated[1], record_.key_id, now + 1, "new")
    assert await last_uses(store, record_.key_id) == [
        SecretUse(now + 1, "new", "192.0.2.7"),
        SecretUse(now, "old", "192.0.2.7"),
    ]


async def test_the_use_of_a_secret_goes_with_the_secret(store: KeyStore, redis: redis.asyncio.Redis) -> None:
    record_, first = await store.create(owner=OWNER, key_name="laptop")
    await record(store, first, record_.key_id, 5)
    assert await store.rotate(record_.key_id, 3600) is not None
    [stored] = await redis.keys("*secret-use:*")
    assert 0 < await redis.ttl(stored) <= 3600
    await record(store, first, record_.key_id, 6)
    assert 0 < await redis.ttl(stored) <= 3600
    assert await store.rotate(record_.key_id, 0) is not None
    assert await redis.keys("*secret-use:*") == []
    await record(store, first, record_.key_id, 7)
    assert await redis.keys("*secret-use:*") == []
    assert await store.last_uses.of_keys([record_.key_id]) == {record_.key_id: 7}


async def test_a_long_name_of_a_client_is_shortened(store: KeyStore) -> None:
    record_, key = await store.create(owner=OWNER, key_name="laptop")
    await record(store, key, record_.key_id, 5, "x" * 500)
    [secret] = await live_secrets(store, record_.key_id)
    assert secret.last_use is not None
    assert secret.last_use.client == "x" * 100
