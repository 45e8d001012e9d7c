"""Fixtures of the tests of limits."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.proxy.admission.limits.workers import close_workers


@pytest.fixture(autouse=True)
async def workers_are_closed() -> AsyncIterator[None]:
    yield
    await close_workers()
