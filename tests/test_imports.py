"""Dependencies between packages: the table `ALLOWED` lists them, and no modules import each other in a cycle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LEAVES = {
    *("event_loop", "timestamps", "uuid7", "protocol", "metering"),
    *("refused_hosts", "password_policy", "tls", "zones"),
}
"""Packages that import no other package of the project."""
STORES = {"audit", "keys", "accounts", "usage"}
"""Packages that store data in Redis or ClickHouse."""

ALLOWED = {
    **{leaf: set[str]() for leaf in LEAVES},
    "redis": {"event_loop"},
    "audit": {"redis", "timestamps", "uuid7"},
    "keys": {"audit", "redis", "event_loop", "timestamps", "protocol"},
    "accounts": {"audit", "keys", "redis", "event_loop", "timestamps", "protocol", "password_policy"},
    "usage": {"audit", "redis", "event_loop", "timestamps", "zones"},
    "alerts": {*STORES, "redis", "event_loop", "timestamps", "uuid7"},
    "settings": {"metering", "password_policy", "tls"},
    "observability": {*STORES, "alerts", "timestamps"},
    "client_snippets": set[str](),
    "proxy": {*LEAVES, *STORES, "redis", "alerts"},
    "preflight": {"event_loop", "redis", "settings", "tls", "proxy"},
    "doctor": {*LEAVES, *STORES, "redis", "alerts", "settings", "preflight"},
    "admin_api": {*LEAVES, *STORES, "redis", "alerts", "client_snippets", "doctor"},
    "runtime": {
        *(*LEAVES, *STORES, "redis", "alerts", "settings", "observability", "client_snippets"),
        *("proxy", "admin_api", "preflight", "doctor"),
    },
    "cli": {
        *(*LEAVES, *STORES, "redis", "alerts", "settings", "runtime", "preflight"),
        *("doctor", "client_snippets", "proxy"),
    },
    "mcp_backend": set[str](),
}
"""The packages that each package, or module directly under `gateway`, may import.

Every package may also import `gateway`, which has only the version.
"""


def modules() -> dict[str, Path]:
    """Return the files of all modules of the product, by dotted name."""
    found = {}
    for top in ("gateway", "admin_api", "mcp_backend"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules of the project that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def package_of(module: str) -> str:
    """Return the row of `ALLOWED` that a module belongs to; empty for `gateway` itself."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "gateway" else top


def test_every_package_has_a_row() -> None:
    assert {package_of(name) for name in MODULES} - {""} == set(ALLOWED)


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_its_row_allows(package: str) -> None:
    allowed = {package, "", *ALLOWED[package]}
    wrong = [
        f"{name} imports {imported}"
        for name, path in MODULES.items()
        if package_of(name) == package
        for imported in imports_of(path)
        if package_of(imported) not in allowed
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_cycle() -> None:
    graph = {name: set(imports_of(path)) - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_only_the_worker_imports_the_fast_path() -> None:
    users = {
        name
        for name, path in MODULES.items()
        if not name.startswith("gateway.proxy.fast_path")
        and any(imported.startswith("gateway.proxy.fast_path") for imported in imports_of(path))
    }
    assert users <= {"gateway.proxy.worker"}
