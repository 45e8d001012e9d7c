"""A running admin process, and what starts one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Process:
    """A running admin process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def ready(self) -> str:
        """Wait until it is ready and return the line that says so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            return (await self.process.stdout.readline()).decode()

    async def wait(self) -> tuple[int, str]:
        """Wait until it exits and return its exit code and standard error."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            said = await self.process.stderr.read()
            return await self.process.wait(), said.decode()


Start = Callable[..., Awaitable[Process]]
"""Starts an admin process with these settings."""
