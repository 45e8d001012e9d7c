"""Waiting until Redis has received a command that it does not answer yet."""

from __future__ import annotations

from redis.asyncio import Redis

from tests.support.waiting import until


async def until_blocked(client: Redis, command: str, *, except_for: int | None = None) -> None:
    """Wait until a connection other than `except_for` waits for the reply to a command, which blocks or is paused."""

    async def is_blocked() -> bool:
        return any(
            "b" in entry["flags"] and entry["cmd"] == command and entry["id"] != str(except_for)
            for entry in await client.client_list()
        )

    await until(is_blocked)
