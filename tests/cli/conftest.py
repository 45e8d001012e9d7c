"""Fixtures of the command line's tests: a clean environment, and a Redis that the commands are configured for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.support import flush


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run each test in an empty folder, without settings in the environment."""
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def redis_url(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty Redis, configured as GATEWAY_REDIS_URL."""
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    flush(valkey_url)
    return valkey_url
