"""Profiles a worker with py-spy."""

from __future__ import annotations

import collections
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_RATE = 400
_LINES = 30


def profile(pid: int, seconds: float, folder: Path, load: Callable[[], object]) -> str:
    """Sample a Python process while it is under load, and return a table of functions."""
    output = folder / "profile"
    command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--function"]
    command += [
        "--format",
        "raw",
        "--rate",
        str(_RATE),
        "--duration",
        str(max(1, int(seconds))),
        "--output",
        str(output),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sampler:
        load()
        sampler.wait()
    return _table(output.read_text())


def _table(stacks: str) -> str:
    self_samples: collections.Counter[str] = collections.Counter()
    total_samples: collections.Counter[str] = collections.Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        self_samples[frames[-1]] += int(count)
        for frame in set(frames):
            total_samples[frame] += int(count)
    samples = sum(self_samples.values()) or 1
    rows = [" self %  total %  function"]
    for ranking in (self_samples, total_samples):
        for frame, _ in ranking.most_common(_LINES):
            rows.append(
                f"{100 * self_samples[frame] / samples:7.1f}{100 * total_samples[frame] / samples:9.1f}  {frame}"
            )
        rows.append("")
    return "\n".join(rows)
