"""The package loads no I/O library."""

from __future__ import annotations

from tests.support.io_libraries import io_libraries_of


def test_the_package_loads_no_io_library() -> None:
    assert io_libraries_of("gateway.protocol") == set()


def test_a_module_that_does_io_is_found() -> None:
    assert {"redis", "asyncio", "socket"} <= io_libraries_of("gateway.redis.client")
