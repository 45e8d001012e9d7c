"""How often a sign occurs in much text, as a bound on the work to be done."""

from __future__ import annotations

import secrets

_STRIDE = 61
"""One character of so many is looked at. It is a prime: short records of one length do not hide from it."""

_FIRST = 1 + secrets.randbelow(_STRIDE - 1)
"""Where the sample begins, which nobody knows who would hide signs from it."""


def has_more(data: bytes | bytearray | str, sign: str, limit: int, start: int = 0) -> bool:
    """Whether `sign` occurs more than `limit` times; counted one by one only where a sample says that it may be so."""
    if isinstance(data, str):
        return data[start + _FIRST :: _STRIDE].count(sign) * _STRIDE > limit // 2 and data.count(sign, start) > limit
    sought = sign.encode()
    return data[start + _FIRST :: _STRIDE].count(sought) * _STRIDE > limit // 2 and data.count(sought, start) > limit
