"""Node 22 and npm packages for the tests, from folders with a `package.json` and a lock file.

A folder is installed once into `.node/<name>`, as its lock file says and without install scripts. Node 22 is an npm
package too, because the installed one may be too old. Without npm, the tests that need it are skipped.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.system_packages import find

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".node"
_NODE_22 = Path(__file__).with_name("node22")
_MANIFEST = ("package.json", "package-lock.json")


class NodePackages(NamedTuple):
    """The Node and the packages for the scripts of a folder."""

    node: Path
    """Node 22."""
    modules: Path
    """The packages; the folder has a symbolic link `node_modules` to it, so that its scripts can import them."""

    def package(self, name: str) -> Path:
        """Return the folder of one package."""
        return self.modules / name


def installed(name: str, folder: Path) -> NodePackages:
    """Install the packages of a folder, if its lock file has changed. Skips the test if npm is missing."""
    return NodePackages(node(), _modules(name, folder))


def node() -> Path:
    """Return the executable of Node 22. Skips the test if npm is missing."""
    modules = _modules("node22", _NODE_22)
    executables = sorted(modules.glob("node-*/bin/node"))
    if not executables:
        pytest.skip("npm has Node 22 for Linux on x64 and arm64 only")
    return executables[0]


def _modules(name: str, folder: Path) -> Path:
    target, stamp = INSTALLED / name, INSTALLED / f"{name}.installed"
    wanted = "".join((folder / part).read_text() for part in _MANIFEST)
    target.mkdir(parents=True, exist_ok=True)
    # Locks a file that always exists, so that concurrent test runs do not both install.
    with (folder / _MANIFEST[0]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            for part in _MANIFEST:
                shutil.copy(folder / part, target)
            _install(target)
            stamp.write_text(wanted)
        _link(folder / "node_modules", target / "node_modules")
    return target / "node_modules"


def _install(target: Path) -> None:
    npm = find("npm")
    if npm is None:
        pytest.skip("npm is missing")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    completed = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=600)
    assert completed.returncode == 0, f"npm ci in {target} failed:\n{completed.stdout}{completed.stderr}"


def _link(link: Path, modules: Path) -> None:
    if link.is_symlink() and link.resolve() == modules:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(modules)
