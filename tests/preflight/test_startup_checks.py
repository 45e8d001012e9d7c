"""Checks of the engines before the start."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.preflight.startup_checks import CannotStartError, clickhouse_fault, wait_until_startable
from gateway.settings import Settings
from tests.support.ports import free_port


async def test_a_clickhouse_that_is_away_is_named_with_the_reason_and_the_setting() -> None:
    url = f"http://127.0.0.1:{free_port()}/usage"
    fault = await clickhouse_fault(url)
    assert fault is not None
    assert fault.startswith(f"ClickHouse at {url} cannot be reached (Connect call failed")
    assert fault.endswith(": see GATEWAY_CLICKHOUSE_URL")


@pytest.mark.parametrize(("seconds", "announced"), [(0.1, 1), (0.0, 0)])
async def test_a_wait_for_an_engine_is_announced_if_there_is_one(
    seconds: float, announced: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(redis_url=f"redis://127.0.0.1:{free_port()}", start_timeout=seconds)
    with caplog.at_level(logging.WARNING), pytest.raises(CannotStartError, match=r"Redis at .* cannot be reached"):
        await wait_until_startable(settings, asyncio.Event(), ports=[])
    assert caplog.text.count("waiting for it for up to 0.1 s") == announced == len(caplog.records)
