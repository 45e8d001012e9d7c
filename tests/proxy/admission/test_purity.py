"""Parsing heads and deciding on requests does no I/O: the modules load no library that could."""

from __future__ import annotations

from tests.support.purity import io_libraries_of

PURE = ("admitted_request", "concurrency", "head", "head_cache", "headers", "origins", "policy", "rejections")


def test_pure_modules_load_no_io_library() -> None:
    assert io_libraries_of(*(f"gateway.proxy.admission.{name}" for name in PURE)) == set()
