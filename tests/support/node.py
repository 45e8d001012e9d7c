"""Node 22 and npm packages for the tests, from folders with a `package.json` and a lock file.

A folder is installed once, into `.node/<name>`, exactly as its lock file says and without running anybody's install
scripts; Node itself comes that way too, because a machine's own may be too old.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".node"
_NODE_22 = Path(__file__).with_name("node22")
_MANIFEST = ("package.json", "package-lock.json")


class NodePackages(NamedTuple):
    """What scripts of a folder run with."""

    node: Path
    """Node 22."""
    modules: Path
    """The packages; also to be found as `node_modules` in the folder, so that its scripts can import them."""

    def package(self, name: str) -> Path:
        """The folder of one package."""
        return self.modules / name


def installed(name: str, folder: Path) -> NodePackages:
    """The packages of a folder; installed once, and anew when its lock file changes."""
    return NodePackages(node(), _modules(name, folder))


def node() -> Path:
    """The executable of Node 22."""
    modules = _modules("node22", _NODE_22)
    found = sorted(modules.glob("node-*/bin/node"))
    assert found, "npm has no Node 22 for this platform that the tests know of: they run on Linux, x64 and arm64"
    return found[0]


def _modules(name: str, folder: Path) -> Path:
    target, stamp = INSTALLED / name, INSTALLED / f"{name}.installed"
    wanted = "".join((folder / part).read_text() for part in _MANIFEST)
    target.mkdir(parents=True, exist_ok=True)
    # Held on a file that is always there, so that runs side by side do not both install.
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
    npm = shutil.which("npm")
    assert npm, "npm is needed for tests with Node programs, and is not on PATH: apt-get install npm"
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"npm ci in {target} failed:\n{done.stdout}{done.stderr}"


def _link(link: Path, modules: Path) -> None:
    if link.is_symlink() and link.resolve() == modules:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(modules)
