"""The pure packages do no I/O: they load nothing that could."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import importlib, pkgutil, sys
package = importlib.import_module({package!r})
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(",".join(sorted({{"aiohttp", "redis", "asyncio", "socket"}} & set(sys.modules))))
"""


@pytest.mark.parametrize("package", ["gateway.protocol"])
def test_a_pure_package_loads_no_io(package: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE.format(package=package)], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")
