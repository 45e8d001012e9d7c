"""Password hashing: its parameters, its bounds, and the dummy hash."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import argon2
import pytest
from argon2 import PasswordHasher

from gateway.accounts.passwords import Passwords, PasswordsBusy
from tests.support.passwords import CountingHasher


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Passwords with the parameters of production."""
    passwords = Passwords(threads=2, waiting=3)
    yield passwords
    passwords.close()


class BlockedHasher(CountingHasher):
    """Hashes once `allowed` is set."""

    def __init__(self) -> None:
        super().__init__(memory_cost=64)
        self.allowed = threading.Event()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self.counted():
            self.allowed.wait(30)
        return super().hash(password, salt=salt)


async def test_hashes_are_argon2id_with_the_parameters_of_the_rfc(passwords: Passwords) -> None:
    parameters = argon2.extract_parameters(await passwords.hash("a password"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (64 * 1024, 3, 1)
    assert parameters.salt_len >= 16


async def test_only_the_right_password_matches(passwords: Passwords) -> None:
    encoded = await passwords.hash("a password")
    assert await passwords.verify(encoded, "a password") == (True, False)
    assert await passwords.verify(encoded, "a passwort") == (False, False)


async def test_an_unknown_user_never_matches_and_takes_the_work_of_a_known_one(
    cheap_passwords: Passwords, hasher: CountingHasher
) -> None:
    encoded = await cheap_passwords.hash("a password")
    assert await cheap_passwords.verify(None, "a password") == (False, False)
    assert await cheap_passwords.verify(encoded, "wrong") == (False, False)
    unknown, known = hasher.verifications
    assert unknown == known


async def test_a_damaged_hash_matches_nothing(passwords: Passwords) -> None:
    assert await passwords.verify("$argon2id$junk", "a password") == (False, False)


async def test_a_hash_with_other_parameters_needs_a_rehash(passwords: Passwords) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("a password")
    assert await passwords.verify(old, "a password") == (True, True)


async def test_running_and_queued_hashes_are_bounded() -> None:
    hasher = BlockedHasher()
    passwords = Passwords(threads=2, waiting=3, hasher=hasher)
    accepted = [asyncio.create_task(passwords.hash("x")) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy):
        await passwords.hash("x")
    hasher.allowed.set()
    await asyncio.gather(*accepted)
    assert hasher.max_concurrency <= 2
    await passwords.hash("x")
    passwords.close()


async def test_a_cancelled_caller_frees_its_slot_only_when_the_thread_is_done() -> None:
    hasher = BlockedHasher()
    passwords = Passwords(threads=1, waiting=0, hasher=hasher)
    cancelled = asyncio.create_task(passwords.hash("x"))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    with pytest.raises(PasswordsBusy):
        await passwords.hash("x")
    hasher.allowed.set()
    async with asyncio.timeout(30):
        while True:
            try:
                await passwords.hash("x")
                break
            except PasswordsBusy:
                await asyncio.sleep(0.001)
    passwords.close()
