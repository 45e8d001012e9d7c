"""Password hashing: its parameters, its bounds, its decoy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import argon2
import pytest
from argon2 import PasswordHasher

from gateway.accounts.passwords import Passwords, PasswordsBusy


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(threads=2, waiting=3)
    yield passwords
    passwords.close()


class SlowHasher(PasswordHasher):
    """Hashes when it is allowed to."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.gate = threading.Event()
        self.now = 0
        self.most = 0
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(10)
        with self._lock:
            self.now -= 1
        return super().hash(password, salt=salt)


async def test_hashes_are_argon2id_with_the_parameters_of_the_rfc(passwords: Passwords) -> None:
    parameters = argon2.extract_parameters(await passwords.hash("a password"))
    assert parameters.type is argon2.Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (64 * 1024, 3, 1)
    assert parameters.salt_len >= 16


async def test_right_and_wrong_are_told_apart(passwords: Passwords) -> None:
    encoded = await passwords.hash("a password")
    assert await passwords.verify(encoded, "a password") == (True, False)
    assert await passwords.verify(encoded, "a passwort") == (False, False)


async def test_no_user_is_a_refusal_after_the_same_work(passwords: Passwords) -> None:
    before = passwords.verified
    assert await passwords.verify(None, "a password") == (False, False)
    assert passwords.verified == before + 1
    decoy = argon2.extract_parameters(passwords._decoy)
    assert decoy == argon2.extract_parameters(await passwords.hash("a password"))


async def test_a_damaged_hash_is_a_refusal(passwords: Passwords) -> None:
    assert await passwords.verify("$argon2id$junk", "a password") == (False, False)


async def test_a_hash_of_other_parameters_is_outdated(passwords: Passwords) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("a password")
    assert await passwords.verify(old, "a password") == (True, True)


async def test_computing_and_waiting_are_bounded() -> None:
    hasher = SlowHasher()
    passwords = Passwords(threads=2, waiting=3, hasher=hasher)
    admitted = [asyncio.create_task(passwords.hash("x")) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy):
        await passwords.hash("x")
    hasher.gate.set()
    await asyncio.gather(*admitted)
    assert hasher.most <= 2
    await passwords.hash("x")
    passwords.close()


async def test_a_caller_that_goes_away_frees_its_place_only_when_the_thread_is_done() -> None:
    hasher = SlowHasher()
    passwords = Passwords(threads=1, waiting=0, hasher=hasher)
    gone = asyncio.create_task(passwords.hash("x"))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    with pytest.raises(PasswordsBusy):
        await passwords.hash("x")
    hasher.gate.set()
    while passwords.admitted:  # noqa: ASYNC110 - the place is freed by a callback of the loop
        await asyncio.sleep(0)
    await passwords.hash("x")
    passwords.close()
