"""Matching, inspecting and redacting responses does no I/O: the modules load no library that could."""

from __future__ import annotations

from tests.support.purity import io_libraries_of

PURE = (
    "tracked_request",
    "correlation_models",
    "exchange",
    "redaction",
    "response_decoder",
    "response_inspection",
    "services",
    "usage_events",
)


def test_pure_modules_load_no_io_library() -> None:
    assert io_libraries_of(*(f"gateway.proxy.accounting.{name}" for name in PURE)) == set()
