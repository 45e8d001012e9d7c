"""The journey of a Python client, whichever the SDK: one leg after the other, each told as JSON.

A progress report answers itself: it calls the tool `go`, without which the server would not report the next step.
It runs in each SDK's own virtual environment, and so imports none.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol


class OnProgress(Protocol):
    """Is told of each step."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class Connected(Protocol):
    """A client that is connected."""

    async def tools(self) -> list[str]:
        """The names of the tools."""

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> Any:
        """What a tool gives: its structured content, or its text."""


async def travel(client: Connected, legs: list[dict[str, Any]]) -> list[Any]:
    """All legs."""
    return [await _leg(client, **leg) for leg in legs]


async def _leg(
    client: Connected, leg: str, name: str = "", args: dict[str, Any] | None = None, go: str | None = None
) -> Any:
    args = args or {}
    match leg:
        case "tools":
            return await client.tools()
        case "call":
            return await client.call(name, args)
        case "walk":
            return await _walk(client, name, args, go)
        case _:
            raise ValueError(leg)


async def _walk(client: Connected, name: str, args: dict[str, Any], go: str | None) -> dict[str, Any]:
    steps: list[float] = []
    answering: list[asyncio.Task[Any]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)
        if go:
            # Some clients receive nothing else for as long as this takes.
            answering.append(asyncio.create_task(client.call(go, {"run": args["run"]})))

    result = await client.call(name, args, on_progress)
    await asyncio.gather(*answering)
    # Where the server does not wait, some clients lose the report that comes together with the result.
    return {"result": result, "steps": steps if go else steps[:1]}
