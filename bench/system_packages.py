"""Programs from the system's package manager that the tests and the benchmark need.

`python -m bench.system_packages PROGRAM...` installs the missing ones where it can: as root on Debian or Ubuntu.
Elsewhere it prints one line that names them. It exits with 0 either way: tests that need a missing program are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection

_DEBIAN_PACKAGES = {
    **{name: name for name in ("caddy", "chromium", "haproxy", "nginx", "npm")},
    "gcc": "gcc libc6-dev",
}
_OTHER_NAMES = {"chromium": ("chromium-browser", "google-chrome")}


class MissingProgramError(Exception):
    """A program is missing; the message says how to install it."""


def find(program: str) -> str | None:
    """Return the path of a program, under any name that it is known by; `None` if it is missing."""
    return next(filter(None, map(shutil.which, (program, *_OTHER_NAMES.get(program, ())))), None)


def require(programs: Collection[str]) -> None:
    """Install the programs that are missing. Raises `MissingProgramError` where that is impossible."""
    missing = [program for program in programs if find(program) is None]
    if not missing:
        return
    packages = [package for program in missing for package in _DEBIAN_PACKAGES[program].split()]
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingProgramError(f"missing: {', '.join(missing)} (on Debian and Ubuntu: sudo {' '.join(install)})")
    sys.stderr.write(f"Installing {' '.join(packages)}\n")
    if not (_run(install) or (_run(["apt-get", "update", "--quiet"]) and _run(install))):
        raise MissingProgramError(f"missing: {', '.join(missing)}; this command failed: {' '.join(install)}")


def _run(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    try:
        require(sys.argv[1:])
    except MissingProgramError as error:
        sys.stderr.write(f"{error}\nThe tests that need them are skipped.\n")
