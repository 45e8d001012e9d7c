"""The modules that match, inspect and redact responses load no I/O library."""

from __future__ import annotations

from tests.support.io_libraries import io_libraries_of

WITHOUT_IO = (
    "tracked_request",
    "correlation_models",
    "exchange",
    "redaction",
    "response_decoder",
    "response_inspection",
    "services",
    "usage_events",
)


def test_the_modules_without_io_load_no_io_library() -> None:
    assert io_libraries_of(*(f"gateway.proxy.accounting.{name}" for name in WITHOUT_IO)) == set()
