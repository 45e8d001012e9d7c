"""How long one call holds the worker's event loop."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

_PROBE = Path(__file__).parent / "probe"


class Turns(msgspec.Struct, frozen=True):
    """The longest turn of the loop in each of some calls, in milliseconds of CPU time."""

    call: str
    calls: int
    median_ms: float
    longest_ms: float


class LongestTurn:
    """What `probe/sitecustomize.py` has noted."""

    def __init__(self, shared: mmap.mmap) -> None:
        self._shared = shared

    def during(self, act: Callable[[], object]) -> float:
        """The longest turn while something is done, in milliseconds."""
        self._shared[:8] = bytes(8)
        act()
        return int.from_bytes(self._shared[:8], "little") / 1e6


@contextmanager
def longest_turn(folder: Path) -> Iterator[tuple[LongestTurn, dict[str, str]]]:
    """The reading side, and the environment that a worker needs to be measured."""
    path = folder / "longest-turn"
    path.write_bytes(bytes(8))
    python_path = os.pathsep.join(filter(None, (str(_PROBE), os.environ.get("PYTHONPATH"))))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        yield LongestTurn(shared), {"PYTHONPATH": python_path, "BENCH_LONGEST_TURN": str(path)}


def summary(call: str, longest_ms: Sequence[float]) -> Turns:
    """What some calls' longest turns come to."""
    return Turns(call, len(longest_ms), median(longest_ms), max(longest_ms))
