"""Compiles the C programs of the benchmark: upstream, load generator and neighbour."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent


def compile_into(folder: Path) -> None:
    """Compile all programs into a folder."""
    for name in ("upstream", "load", "neighbour"):
        subprocess.run(["gcc", "-O2", "-o", folder / name, _SOURCES / f"{name}.c"], check=True)
