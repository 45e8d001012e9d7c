"""The CPU time of metering a structured result, measured without a proxy."""

from __future__ import annotations

import time

from bench.calls import CALLS, result_json
from gateway.metering import meter

_CALLS = 1000
_ROUNDS = 50


def structured_us() -> float:
    """Return the CPU time in µs for a result of 1 KB that names its table: the minimum of several rounds."""
    call = CALLS[0]
    result, arguments = result_json(call), {"symbol": "IBM", "start": "2000-03-01", "limit": 3}
    meter(call.name, arguments, result)
    return min(_round(call.name, arguments, result) for _ in range(_ROUNDS))


def _round(tool: str, arguments: dict[str, object], result: bytes) -> float:
    before = time.thread_time()
    for _ in range(_CALLS):
        meter(tool, arguments, result)
    return (time.thread_time() - before) / _CALLS * 1e6
