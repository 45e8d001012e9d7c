"""Measures the turns of the event loop in a process of the gateway, where the bench puts this folder on its path.

A callback that is called in each turn notes how much CPU time the process took since the last one. CPU time, and not
the clock, so that what else runs on the machine does not count. The longest turn is written where the bench finds it.
"""

import mmap
import os
import sys
import time
from typing import Any


def _measure(loop: Any, longest: Any) -> None:
    last = time.process_time_ns()

    def turn() -> None:
        nonlocal last
        held = time.process_time_ns() - last
        if held > int.from_bytes(longest[:8], "little"):
            longest[:8] = held.to_bytes(8, "little")
        loop.call_soon(turn)
        last = time.process_time_ns()

    loop.call_soon(turn)


def _install(path: str) -> None:
    import uvloop

    with open(path, "r+b") as file:
        longest = mmap.mmap(file.fileno(), 8)
    run_until_complete = uvloop.Loop.run_until_complete

    def measured(loop: Any, future: Any) -> Any:
        _measure(loop, longest)
        return run_until_complete(loop, future)

    setattr(uvloop.Loop, "run_until_complete", measured)  # noqa: B010 - the checker knows no other way to patch


if "gateway.runtime.proxy_worker" in sys.orig_argv:
    _install(os.environ["BENCH_LONGEST_TURN"])
