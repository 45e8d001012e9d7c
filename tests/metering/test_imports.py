"""The package imports no I/O library, no clock and no event loop, and large libraries only on first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
before = set(sys.modules)
import gateway.metering
{more}
print("\\n".join(sorted(name.partition(".")[0] for name in set(sys.modules) - before)))
"""


def imported(more: str = "") -> set[str]:
    run = subprocess.run(
        [sys.executable, "-X", "frozen_modules=on", "-c", SCRIPT.format(more=more)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def sources() -> list[str]:
    import gateway.metering as package

    return [path.read_text() for path in Path(package.__path__[0]).rglob("*.py")]


@pytest.mark.parametrize("name", ["aiohttp", "redis", "asyncio", "time", "sqlglot", "pydantic"])
def test_importing_the_package_does_not_import(name: str) -> None:
    assert name not in imported()


@pytest.mark.parametrize("name", ["aiohttp", "redis", "asyncio", "time", "socket", "pathlib", "os", "io"])
def test_no_module_of_the_package_imports(name: str) -> None:
    assert not any(f"import {name}\n" in source or f"from {name} " in source for source in sources())


def test_sqlglot_is_imported_when_the_first_sql_is_read() -> None:
    declared = 'gateway.metering.meter("q", {"sql": "SELECT 1"}, b\'{"structuredContent":{"table":"t","rows":[{}]}}\')'
    read = 'gateway.metering.meter("q", {"sql": "SELECT 1"}, b\'{"content":[]}\')'
    assert "sqlglot" not in imported(declared)
    assert "sqlglot" in imported(read)
