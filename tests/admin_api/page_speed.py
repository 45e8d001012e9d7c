"""Time the requests of the dashboard on 10,000 keys and a million calls.

`python -m tests.admin_api.page_speed` makes them in a new Valkey and a new chDB; `--rows` and `--keys` change
how many. The times are those of the whole request, at a client on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping

from gateway.accounts.passwords import Passwords
from gateway.keys.store import KeyStore
from gateway.redis import names as redis_names
from gateway.redis.client import connect
from gateway.timestamps import DAY_MS, format_rfc3339, now_ms
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, PASSWORD, Api, dependencies, serving
from tests.support.passwords import CountingHasher
from tests.support.valkey import running_valkey
from tests.usage.seed import OWNER, seed

GOAL_MS = 300
_OWNERS = 200
_ROUNDS = 7
_ZONE = "Europe/Berlin"


async def make_keys(keys: KeyStore, count: int) -> str:
    """Create keys of 200 owners; return the id of one of them."""
    for number in range(count):
        owner = f"user{number % _OWNERS:03}@example.com"
        labels = {"team": f"team {number % 20}"}
        record, _ = await keys.create(owner=owner, key_name=f"key {number}", labels=labels, calls_per_day=10_000)
    return record.key_id


def requests_of_page(key_id: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the requests of the views of the dashboard, as of an admin who looks at all owners."""
    scope = {"all": "true", "from": format_rfc3339(now_ms() - 30 * DAY_MS), "tz": _ZONE}
    overview = {**scope, "by_client": "true", "by_owner": "true", "by_hour": "true"}
    return {
        "overview": ("mcp-usage/stats", overview),
        "overview of one owner": ("mcp-usage/stats", {**overview, "owner": OWNER, "all": ""}),
        "overview of one tool": ("mcp-usage/stats", {**overview, "tool": "query_7"}),
        "overview of one client": ("mcp-usage/stats", {**overview, "client": "curl"}),
        "overview of one table": ("mcp-usage/stats", {**overview, "table": "table_7"}),
        "overview by label": ("mcp-usage/stats", {**overview, "by_label": "team"}),
        "calls": ("mcp-usage/history", {**scope, "limit": "50"}),
        "calls with errors": ("mcp-usage/history", {**scope, "limit": "50", "status": "tool_error"}),
        "tables": ("mcp-usage/stats", scope),
        "readers of a table": ("mcp-usage/readers", {**scope, "table": "table_7"}),
        "denials": ("mcp-usage/denials", scope),
        "keys": ("mcp-keys/list", {"all": "true", "limit": "50"}),
        "keys by last use": ("mcp-keys/list", {"all": "true", "limit": "50", "sort": "last_used"}),
        "keys with a text": ("mcp-keys/list", {"all": "true", "limit": "50", "q": "999"}),
        "keys with a label": ("mcp-keys/list", {"all": "true", "limit": "50", "label": "team=team 7"}),
        "one key": ("mcp-keys/show", {"key_id": key_id}),
        "usage of one key": ("mcp-usage/stats", {**scope, "key_id": "key_0031"}),
        "users": ("users", {"limit": "50"}),
        "audit": ("audit", {"limit": "50"}),
        "alerts": ("alerts", {"limit": "50"}),
        "system": ("system", {}),
    }


async def time_requests(api: Api, requests: Mapping[str, tuple[str, dict[str, str]]]) -> dict[str, float]:
    """Return the median milliseconds of each request, after one that is not counted."""
    medians = {}
    for name, (path, query) in requests.items():
        times = []
        for _ in range(_ROUNDS + 1):
            started = time.perf_counter()
            response = await api.get(f"/api/{path}", **query)
            times.append((time.perf_counter() - started) * 1000)
            assert response.status == 200, (name, response.body)
        medians[name] = statistics.median(times[1:])
    return medians


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="calls")
    parser.add_argument("--keys", type=int, default=10_000, help="keys")
    options = parser.parse_args()
    # Creations wait until they are on disk.
    with running_valkey("always") as valkey, tempfile.TemporaryDirectory(prefix="page-speed-") as folder:
        redis, table = connect(valkey.url), UsageTable(f"chdb://{folder}/chdb")
        passwords = Passwords(hasher=CountingHasher())
        deps = dependencies(redis, table, now_ms, passwords)
        await seed(table, options.rows)
        await deps.users.add(ADMIN, PASSWORD, "admin")
        for number in range(_OWNERS):
            await deps.users.add(f"user{number:03}@example.com", PASSWORD)
        key_id = await make_keys(deps.keys, options.keys)
        async with serving(deps) as api:
            admin = await api.logged_in(ADMIN)
            # No writer stores what the login adds to the stream, and reading usage would wait for it.
            await redis.delete(redis_names.USAGE)
            times = await time_requests(admin, requests_of_page(key_id))
        for name, milliseconds in times.items():
            print(f"{name:30}{milliseconds:8.0f} ms{'' if milliseconds < GOAL_MS else '  over the goal'}")
        table.close()
        passwords.close()
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(_main())
