"""Concurrent clients of several gateways, and the outcome of each of their calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import aiohttp

from tests.support.admin_client import Key

_PAUSE_AFTER_FAILURE = 0.01
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


class Outcome(NamedTuple):
    """A call and its response; the times are those of `time.monotonic`."""

    sent: float
    received: float
    status: int
    """0 if the connection broke."""
    rows: int
    """Records in the result."""
    error: str
    """The message of the JSON-RPC error; empty if there is none."""

    @property
    def is_result(self) -> bool:
        return self.status == 200 and not self.error


class Clients:
    """Clients with one key, which take turns over all gateways."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], key: Key) -> None:
        self.key = key
        self._session = session
        self._gateways = urls
        self._urls = itertools.cycle(urls)
        self._ids = itertools.count()
        self.outcomes: list[Outcome] = []

    @property
    def results(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.is_result]

    def refused(self, status: int = 429) -> list[Outcome]:
        """Return the outcomes that have this status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    def via(self, number: int) -> Clients:
        """Return clients of one of the gateways with the same key."""
        return Clients(self._session, [self._gateways[number]], self.key)

    async def call(self, tool: str, headers: dict[str, str] | None = None, **arguments: Any) -> Outcome:
        """Make one call to the next gateway."""
        params = {"name": tool, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": next(self._ids), "method": "tools/call", "params": params}
        fields = _HEADERS | {"Authorization": f"Bearer {self.key.text}"} | (headers or {})
        sent = time.monotonic()
        status, body = 0, b""
        # Every call is counted once: aiohttp does not repeat a POST.
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with self._session.post(next(self._urls), json=message, headers=fields) as response:
                body = await response.read()
                status = response.status
        outcome = Outcome(sent, time.monotonic(), status, *_read(body if status else b""))
        self.outcomes.append(outcome)
        return outcome

    async def calls(self, count: int, tool: str, concurrency: int = 16, **arguments: Any) -> list[Outcome]:
        """Make so many calls, of which `concurrency` are in flight; return their outcomes."""
        numbers = iter(range(count))

        async def client() -> list[Outcome]:
            return [await self.call(tool, **arguments) for _ in numbers]

        return list(itertools.chain(*await asyncio.gather(*(client() for _ in range(concurrency)))))

    @contextlib.asynccontextmanager
    async def calling(self, tool: str, concurrency: int = 8, **arguments: Any) -> AsyncIterator[None]:
        """Make calls while inside, of which `concurrency` are in flight."""
        stop = asyncio.Event()

        async def client() -> None:
            while not stop.is_set():
                outcome = await self.call(tool, **arguments)
                if not outcome.is_result:
                    await asyncio.sleep(_PAUSE_AFTER_FAILURE)

        running = [asyncio.create_task(client()) for _ in range(concurrency)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*running)


def _read(body: bytes) -> tuple[int, str]:
    """Return the records and the error message of a response."""
    text = body.decode()
    message = json.loads(text.partition("data: ")[2] if text.startswith("event:") else text or "{}")
    if "error" in message:
        return 0, str(message["error"]["message"])
    return len(message.get("result", {}).get("structuredContent", {}).get("rows", ())), ""
