"""The programs that the bench needs: nginx, a C compiler, and its own upstream and load, compiled anew each time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

_PACKAGES = {"nginx": "nginx", "gcc": "gcc libc6-dev"}
_SOURCES = Path(__file__).parent


class MissingToolError(Exception):
    """A program is missing; the message says how to get it."""


def require(programs: Collection[str]) -> None:
    """See that the programs are there; where this may install Debian packages, it does."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    packages = [package for program in missing for package in _PACKAGES[program].split()]
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingToolError(f"{' and '.join(missing)} missing; on Debian: sudo {' '.join(command)}")
    sys.stderr.write(f"Installing {' '.join(packages)}, which the bench needs\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise MissingToolError(f"this did not work: {' '.join(command)}; after apt-get update it may")


def compile_into(folder: Path) -> None:
    """Compile `upstream` and `load` into a folder."""
    for name in ("upstream", "load"):
        subprocess.run(["gcc", "-O2", "-o", folder / name, _SOURCES / f"{name}.c"], check=True)
