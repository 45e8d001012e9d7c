"""Argon2id with cheap parameters, and a record of the work that was done."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import argon2
from argon2 import PasswordHasher

if TYPE_CHECKING:
    from collections.abc import Iterator


class CountingHasher(PasswordHasher):
    """Records each verification with the parameters of the hash, which determine its work, and the concurrency."""

    def __init__(self, *, time_cost: int = 1, memory_cost: int = 256) -> None:
        super().__init__(time_cost=time_cost, memory_cost=memory_cost, parallelism=1)
        self.verifications: list[argon2.Parameters] = []
        self.max_concurrency = 0
        self._concurrency = 0
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self.counted():
            return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's name
        self.verifications.append(argon2.extract_parameters(hash if isinstance(hash, str) else hash.decode()))
        with self.counted():
            return super().verify(hash, password)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a hash as being computed."""
        with self._lock:
            self._concurrency += 1
            self.max_concurrency = max(self.max_concurrency, self._concurrency)
        try:
            yield
        finally:
            with self._lock:
                self._concurrency -= 1
