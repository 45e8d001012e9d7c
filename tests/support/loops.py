"""Runs tests on both event loops: uvloop, which the workers use, and asyncio's."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop


def on_both_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on asyncio's loop and on uvloop's; its fixtures must not need a loop."""

    @functools.wraps(test)
    def run(new_loop: Callable[[], asyncio.AbstractEventLoop], **fixtures: Any) -> None:
        async def ran() -> None:
            await test(**fixtures)

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(ran())

    new_loop_parameter = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(test).parameters
    del run.__wrapped__
    run.__signature__ = inspect.Signature([new_loop_parameter, *parameters.values()])  # type: ignore[attr-defined]
    loops = [asyncio.SelectorEventLoop, uvloop.new_event_loop]
    both: Callable[..., None] = pytest.mark.parametrize("new_loop", loops, ids=["asyncio", "uvloop"])(run)
    return both
