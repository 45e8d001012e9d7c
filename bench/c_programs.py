"""Compiles the C programs of the benchmark: its upstream and its load generator."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SOURCES = Path(__file__).parent


def compile_into(folder: Path) -> None:
    """Compile `upstream` and `load` into a folder."""
    for name in ("upstream", "load"):
        subprocess.run(["gcc", "-O2", "-o", folder / name, _SOURCES / f"{name}.c"], check=True)
