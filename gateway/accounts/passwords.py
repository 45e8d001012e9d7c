"""Password hashing with argon2id, in a bounded thread pool.

- A hash takes 64 MiB, three passes (the second recommended option of RFC 9106, section 4) and one thread.
- At most `threads` hashes are computed and at most `waiting` are queued; beyond, `PasswordsBusy` is raised immediately,
  so a flood of logins exhausts neither memory nor CPU.
- For an unknown user the password is verified against a dummy hash, so that the work is the same.
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

T = TypeVar("T")


class PasswordsBusy(Exception):
    """The hashing pool and its queue are full."""


class Verification(NamedTuple):
    """The result of verifying a password."""

    matches: bool
    needs_rehash: bool
    """True if the stored hash has other parameters than those in use."""


class Passwords:
    """A bounded pool that hashes and verifies passwords."""

    def __init__(self, *, threads: int | None = None, waiting: int = 16, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
        workers = threads or max(1, min(2, (os.cpu_count() or 1) - 1))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._max_pending = workers + waiting
        self._dummy_hash = _dummy_hash(self._hasher)
        self._pending = 0

    async def hash(self, password: str) -> str:
        """Return the encoded hash to store. Raises `PasswordsBusy`."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, encoded: str | None, password: str) -> Verification:
        """Verify a password against an encoded hash; `None` (unknown user) never matches. Raises `PasswordsBusy`."""
        return await self._run(lambda: self._verify(encoded, password))

    def close(self) -> None:
        """Stop the threads and cancel what is queued."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _verify(self, encoded: str | None, password: str) -> Verification:
        try:
            self._hasher.verify(encoded or self._dummy_hash, password)
        except (VerificationError, InvalidHashError):
            return Verification(matches=False, needs_rehash=False)
        return Verification(matches=encoded is not None, needs_rehash=self._hasher.check_needs_rehash(encoded or ""))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._max_pending:
            raise PasswordsBusy
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        # The thread stays busy if the caller is cancelled, so the slot is freed only when it is done.
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def _done(self, future: asyncio.Future[T]) -> None:
        self._pending -= 1
        if not future.cancelled():
            # Mark the exception as retrieved: the caller may have been cancelled, and asyncio would log it.
            future.exception()


def _dummy_hash(hasher: PasswordHasher) -> str:
    """Return a well-formed hash with the parameters of real ones that no known password matches."""

    def random(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()

    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${random(hasher.salt_len)}${random(hasher.hash_len)}"
