"""Fixtures: the demo server as a process, with sessions or stateless, and its database in this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bokeh_sampledata import stocks
from mcp.client import Client

from mcp_backend.database import Database, Reader
from mcp_backend.prices import load_prices

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
SOURCE = {symbol: getattr(stocks, symbol) for symbol in SYMBOLS}


@contextmanager
def running_server(*flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the server, wait until it is ready, and provide the process and its URL."""
    command = [sys.executable, "-m", "mcp_backend", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("mcp_backend listening on http://"), process.communicate()
            yield process, line.split()[-1]
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with running_server() as (_, url):
        yield url


@pytest.fixture(scope="session")
def stateless_server_url() -> Iterator[str]:
    with running_server("--json-response", "--stateless") as (_, url):
        yield url


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    with Database(load_prices()) as database:
        yield database


@pytest.fixture
def reader(database: Database) -> Iterator[Reader]:
    with database.reader() as reader:
        yield reader


@pytest.fixture(params=["auto", "legacy"])
def connect(request: pytest.FixtureRequest, server_url: str) -> Client:
    """A client that is not yet connected: it must be entered and exited in the same task."""
    return Client(server_url, mode=request.param)
