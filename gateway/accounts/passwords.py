"""Password hashing with argon2id, away from the event loop.

- A hash takes 64 MiB and three passes (RFC 9106, section 4, the second choice), in one lane: one login takes
  one core.
- At most `threads` are computed at once and at most `waiting` wait; beyond that `PasswordsBusy` is raised at
  once, so that a flood of logins takes neither all the memory nor all the processors.
- A password is checked against a decoy where there is no user, with the same work.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 8
MAX_CHARACTERS = 1024

T = TypeVar("T")


class PasswordsBusy(Exception):
    """As many passwords are being checked, or wait for it, as is allowed."""


class Verdict(NamedTuple):
    """Whether the password is right, and whether its hash should be made anew with today's parameters."""

    right: bool
    outdated: bool


class Passwords:
    """A bounded pool that hashes and verifies passwords."""

    def __init__(self, *, threads: int | None = None, waiting: int = 16, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
        workers = threads or max(1, min(2, (os.cpu_count() or 1) - 1))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._bound = workers + waiting
        self._decoy = _decoy(self._hasher)
        self.admitted = 0
        """How many are being computed or wait, now."""
        self.verified = 0
        """How many verifications were made so far."""

    async def hash(self, password: str) -> str:
        """The encoded hash to be stored. Raises `PasswordsBusy`."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, encoded: str | None, password: str) -> Verdict:
        """Check a password; `None` for no user is a refusal that takes as long. Raises `PasswordsBusy`."""
        return await self._run(lambda: self._verify(encoded, password))

    def close(self) -> None:
        """End the threads; what still waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify(self, encoded: str | None, password: str) -> Verdict:
        self.verified += 1
        try:
            self._hasher.verify(encoded or self._decoy, password)
        except (VerificationError, InvalidHashError):
            return Verdict(right=False, outdated=False)
        return Verdict(right=encoded is not None, outdated=self._hasher.check_needs_rehash(encoded or ""))

    async def _run(self, work: Callable[[], T]) -> T:
        if self.admitted >= self._bound:
            raise PasswordsBusy
        self.admitted += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # Counted until the thread is done, also where the caller has gone away before.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[T]) -> None:
        self.admitted -= 1
        if not future.cancelled():
            future.exception()


def _decoy(hasher: PasswordHasher) -> str:
    """A well-formed hash of no known password, with the parameters of real ones, made without the work."""

    def random(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()

    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${random(hasher.salt_len)}${random(hasher.hash_len)}"
