"""A production setup: configured Redis and ClickHouse, and separate processes for proxy and admin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import requests

from tests.support.admin_client import AdminClient
from tests.support.clean_run import clean_run
from tests.support.running_up import Running
from tests.support.valkey import Valkey

EMAIL = "root@example.com"
PASSWORD = "correct-horse-battery-staple"
JWT_SECRET = "0123456789abcdef" * 4


class Production:
    """The engines, and functions that start proxy and admin on them."""

    def __init__(self, folder: Path, valkey: Valkey, upstream_url: str) -> None:
        self._folder = folder
        self._starts = 0
        self.environment = {
            "GATEWAY_REDIS_URL": valkey.url,
            "GATEWAY_CLICKHOUSE_URL": f"chdb://{folder / 'clickhouse'}",
            "GATEWAY_UPSTREAM_URL": upstream_url,
            "GATEWAY_JWT_SECRET": JWT_SECRET,
            "GATEWAY_ADMIN_EMAIL": EMAIL,
            "GATEWAY_ADMIN_PASSWORD": PASSWORD,
        }

    def _run(
        self, role: str, changes: dict[str, str], expected: Sequence[str] = ()
    ) -> contextlib.AbstractContextManager[Running]:
        self._starts += 1
        # Separate data folders, as on separate hosts.
        data_dir = self._folder / f"{role}-{self._starts}"
        environment: dict[str, str] = {**self.environment, **changes}
        return clean_run(role, data_dir=data_dir, expected=expected, **environment)

    def proxy(self, *, expected: Sequence[str] = (), **changes: str) -> contextlib.AbstractContextManager[Running]:
        """Run `mcp-gateway proxy` with two workers. Log lines with one of the `expected` texts are allowed."""
        return self._run("proxy", changes, expected)

    def admin(self, **changes: str) -> contextlib.AbstractContextManager[Running]:
        """Run `mcp-gateway admin`."""
        return self._run("admin", changes)


@contextlib.contextmanager
def production_engines(folder: Path, upstream_url: str) -> Iterator[Production]:
    """Run a Valkey, and provide it together with a folder for chDB."""
    valkey = Valkey(folder)
    valkey.start()
    try:
        yield Production(folder, valkey, upstream_url)
    finally:
        valkey.stop()


def login(admin: Running) -> AdminClient:
    """Log in as the first admin."""
    response = requests.post(
        f"{admin.admin_url}/api/auth/login", json={"email": EMAIL, "password": PASSWORD}, timeout=30
    )
    assert response.status_code == 200, response.text
    return AdminClient(admin, response.json()["access_token"])
