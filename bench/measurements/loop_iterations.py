"""Measures how long a single call blocks the worker's event loop."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

_PROBE = Path(__file__).parents[1] / "probe"


class LoopIterations(msgspec.Struct, frozen=True):
    """The longest event loop iteration of each call, summarized over some calls, in milliseconds of CPU time."""

    call: str
    calls: int
    median_ms: float
    longest_ms: float


class LongestIteration:
    """Reads the measurements of `probe/sitecustomize.py`."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = shared

    def during(self, action: Callable[[], object]) -> float:
        """Return the longest iteration during an action, in milliseconds."""
        self._shared[:8] = bytes(8)
        action()
        return int.from_bytes(self._shared[:8], "little") / 1e6


@contextmanager
def longest_iteration(folder: Path) -> Iterator[tuple[LongestIteration, dict[str, str]]]:
    """Yield a reader, and the environment variables with which a worker is measured."""
    path = folder / "longest-iteration"
    path.write_bytes(bytes(8))
    python_path = os.pathsep.join(filter(None, (str(_PROBE), os.environ.get("PYTHONPATH"))))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        yield LongestIteration(shared), {"PYTHONPATH": python_path, "BENCH_LONGEST_ITERATION": str(path)}


def summarize(call: str, longest_ms: Sequence[float]) -> LoopIterations:
    """Summarize the longest iterations of some calls."""
    return LoopIterations(call, len(longest_ms), median(longest_ms), max(longest_ms))
