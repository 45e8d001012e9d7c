"""The modules that parse heads and decide on requests load no I/O library."""

from __future__ import annotations

from tests.support.io_libraries import io_libraries_of

WITHOUT_IO = (
    "admitted_request",
    "concurrency",
    "credentials.key_headers",
    "head",
    "head_cache",
    "headers",
    "origins",
    "policy",
    "rejections",
)


def test_the_modules_without_io_load_no_io_library() -> None:
    assert io_libraries_of(*(f"gateway.proxy.admission.{name}" for name in WITHOUT_IO)) == set()
