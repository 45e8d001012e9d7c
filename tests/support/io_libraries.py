"""Lists the I/O libraries that a module loads, directly or through other modules."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        importlib.import_module(found.name)
print("\\n".join({"aiohttp", "redis", "asyncio", "socket", "uvloop"} & set(sys.modules)))
"""


def io_libraries_of(*modules: str) -> set[str]:
    """Return the I/O libraries that are loaded with some modules, or with packages and all their modules."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *modules], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
