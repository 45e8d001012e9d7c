"""Imports within `gateway.usage` go one way: producer and consumer apart, the store below, reconciliation on top."""

from __future__ import annotations

import pytest

from tests.test_imports import MODULES, imports_of

ALLOWED = {
    "event": set[str](),
    "denial_count": set[str](),
    "metrics_sink": set[str](),
    "producer": {"event", "metrics_sink"},
    "store": {"event", "denial_count"},
    "consumer": {"event", "metrics_sink", "store"},
    "reconciliation": {"event", "metrics_sink", "store", "consumer"},
}


def layer_of(module: str) -> str:
    """Return the part of `gateway.usage` that a module belongs to; empty for others."""
    return module.removeprefix("gateway.usage.").partition(".")[0] if module.startswith("gateway.usage.") else ""


def test_every_part_has_a_row() -> None:
    assert {layer_of(name) for name in MODULES} - {""} == set(ALLOWED)


@pytest.mark.parametrize("layer", sorted(ALLOWED))
def test_a_part_imports_only_what_its_row_allows(layer: str) -> None:
    imported = {layer_of(one) for name, path in MODULES.items() if layer_of(name) == layer for one in imports_of(path)}
    assert imported - {"", layer} <= ALLOWED[layer]
