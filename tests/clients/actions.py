"""Runs a plan of actions with a Python client of any SDK, and returns the results as JSON values.

On each progress notification of `walk` the client calls the tool `go`; without it, the server does not take the next
step. This module is imported in the virtual environment of each SDK, so it imports no SDK.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol


class OnProgress(Protocol):
    """Callback for progress notifications."""

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None: ...


class Connected(Protocol):
    """A connected client."""

    async def tools(self) -> list[str]:
        """Return the names of the tools."""

    async def call(self, name: str, arguments: dict[str, Any], on_progress: OnProgress | None = None) -> Any:
        """Call a tool; return its structured content, or its text."""


async def run_actions(client: Connected, actions: list[dict[str, Any]]) -> list[Any]:
    """Run all actions; return one result for each."""
    return [await _run_action(client, **action) for action in actions]


async def _run_action(
    client: Connected, action: str, name: str = "", args: dict[str, Any] | None = None, go: str | None = None
) -> Any:
    args = args or {}
    match action:
        case "tools":
            return await client.tools()
        case "call":
            return await client.call(name, args)
        case "walk":
            return await _walk(client, name, args, go)
        case _:
            raise ValueError(action)


async def _walk(client: Connected, name: str, args: dict[str, Any], go: str | None) -> dict[str, Any]:
    steps: list[float] = []
    pending_calls: list[asyncio.Task[Any]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)
        if go:
            # Some clients receive no other message while this callback runs.
            pending_calls.append(asyncio.create_task(client.call(go, {"run": args["run"]})))

    result = await client.call(name, args, on_progress)
    await asyncio.gather(*pending_calls)
    # If the server does not wait, some clients lose the progress notification that arrives together with the result.
    return {"result": result, "steps": steps if go else steps[:1]}
