"""The upstream of every gateway here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.faults.upstream"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
    process.kill()
    process.communicate()
