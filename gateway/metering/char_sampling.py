"""Estimates how often a character occurs in large data, as a bound on the work to be done."""

from __future__ import annotations

import secrets

_STRIDE, _OTHER_STRIDE = 61, 59
"""One character in this many is sampled. Primes, so that records of a fixed length evade one sample at most."""

_OFFSET = 1 + secrets.randbelow(_OTHER_STRIDE - 1)
"""Start of the samples; random, so that a server cannot place characters between them."""

_MIN_SURE = 10_000
"""Characters above twice the limit from which an estimate leaves no doubt."""


def occurs_more_than(data: bytes | bytearray | str, character: str, limit: int, start: int = 0) -> bool:
    """Return True if `character` occurs more than `limit` times; counts exactly unless two samples leave no doubt."""
    sought: str | bytes = character if isinstance(data, str) else character.encode()
    estimate = _estimate(data, sought, _STRIDE, start)
    if estimate <= limit // 2:
        return False
    sure = 2 * limit + _MIN_SURE
    if estimate > sure and _estimate(data, sought, _OTHER_STRIDE, start) > sure:
        return True
    return data.count(sought, start) > limit  # type: ignore[arg-type]


def _estimate(data: bytes | bytearray | str, sought: str | bytes, stride: int, start: int) -> int:
    return data[start + _OFFSET :: stride].count(sought) * stride  # type: ignore[arg-type]
