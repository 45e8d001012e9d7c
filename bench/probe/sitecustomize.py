"""Measures the iterations of the event loop in a gateway worker; loaded when this folder is on `PYTHONPATH`.

A callback that runs in each iteration measures the CPU time since the last one: CPU time, so that other load on the
machine does not count. The longest iteration is written to a file that the benchmark maps.
"""

import mmap
import os
import sys
import time
from typing import Any


def _measure(loop: Any, longest: Any) -> None:
    last = time.process_time_ns()

    def measure_iteration() -> None:
        nonlocal last
        elapsed = time.process_time_ns() - last
        if elapsed > int.from_bytes(longest[:8], "little"):
            longest[:8] = elapsed.to_bytes(8, "little")
        loop.call_soon(measure_iteration)
        last = time.process_time_ns()

    loop.call_soon(measure_iteration)


def _install(path: str) -> None:
    import uvloop

    with open(path, "r+b") as file:
        longest = mmap.mmap(file.fileno(), 8)
    run_until_complete = uvloop.Loop.run_until_complete

    def measured(loop: Any, future: Any) -> Any:
        _measure(loop, longest)
        return run_until_complete(loop, future)

    setattr(uvloop.Loop, "run_until_complete", measured)  # noqa: B010 - mypy rejects an assignment to the attribute


if "gateway.runtime.proxy_worker" in sys.orig_argv:
    _install(os.environ["BENCH_LONGEST_ITERATION"])
