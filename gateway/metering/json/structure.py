"""Reads the structure of a JSON value, with a method that suits its size.

A small value is decoded completely. A medium one is sampled: each list gives its length and its first elements. A large
one is read in a single pass, which gives member names and lengths of lists. So 2 MB of rows cost about 1 ms, not 20.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.metering.json import sampled_structure, single_pass_structure
from gateway.metering.json.sampled_structure import MAX_WHOLE, decode

MAX_SAMPLED_BYTES = 192 * 1024
"""Bytes of a value that is sampled; a larger one is read in a single pass."""


def read(data: bytes | msgspec.Raw | str) -> Any:
    """Return the value in `data`, with long lists as `PartialList` and values beyond a bound as `UNREAD`.

    Raises `ValueError` if `data` is not JSON, as far as it was read.
    """
    if len(memoryview(data) if isinstance(data, msgspec.Raw) else data) > MAX_SAMPLED_BYTES:
        return single_pass_structure.read(data if isinstance(data, str) else bytes(data))
    encoded = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    return decode(encoded) if len(encoded) <= MAX_WHOLE else sampled_structure.read(encoded)
