"""Estimates how often a character occurs in large data, as a bound on the work to be done."""

from __future__ import annotations

import secrets

_STRIDE = 61
"""One character in this many is sampled. A prime, so that records of a fixed length do not evade the sample."""

_OFFSET = 1 + secrets.randbelow(_STRIDE - 1)
"""Start of the sample; random, so that a server cannot place characters between its samples."""


def occurs_more_than(data: bytes | bytearray | str, character: str, limit: int, start: int = 0) -> bool:
    """Return True if `character` occurs more than `limit` times; counts exactly only if a sample makes that likely."""
    if isinstance(data, str):
        sample = data[start + _OFFSET :: _STRIDE].count(character)
        return sample * _STRIDE > limit // 2 and data.count(character, start) > limit
    sought = character.encode()
    return data[start + _OFFSET :: _STRIDE].count(sought) * _STRIDE > limit // 2 and data.count(sought, start) > limit
