"""A steady load of calls, each with a unique id and a known number of records, and the outcome of each."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

CLIENTS = 8
MIN_ANSWERED = 100
"""Answers that a load must have to prove anything."""
_TIMEOUT = 4.0
"""Seconds after which a client abandons a call."""
_PAUSE = 0.05


class Load:
    """Clients that make calls, and their results."""

    def __init__(self, url: str, key: str, rate: float) -> None:
        """`rate`: about so many calls a second."""
        self._url = url
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self._numbers = itertools.count()
        self._interval = CLIENTS / rate
        self.requested: dict[str, int] = {}
        """Every call that was sent, by its id, with the number of records that it requested."""
        self.answered: set[str] = set()
        """The calls whose response a client received completely."""
        self.failures: dict[str, int] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make calls while inside; the first answers are there on entry."""
        stop = asyncio.Event()
        clients = [asyncio.create_task(self._client(stop)) for _ in range(CLIENTS)]
        try:
            # Ends also if a client fails.
            while len(self.answered) <= MIN_ANSWERED and not any(one.done() for one in clients):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            yield
        finally:
            stop.set()
            await asyncio.gather(*clients)

    async def _client(self, stop: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_TIMEOUT, sock_connect=_TIMEOUT)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while not stop.is_set():
                await asyncio.sleep(random.expovariate(1 / self._interval))
                call_id = f"call-{next(self._numbers)}"
                try:
                    outcome = await self._call(session, call_id, random.randrange(20))
                except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                    outcome = type(error).__name__
                if outcome:
                    self.failures[outcome] = self.failures.get(outcome, 0) + 1
                    await asyncio.sleep(_PAUSE)

    async def _call(self, session: aiohttp.ClientSession, call_id: str, count: int) -> str:
        """Make one call. Return the reason why it has no complete response; empty if it has one."""
        self.requested[call_id] = count
        params = {"name": "rows", "arguments": {"count": count}}
        message = {"jsonrpc": "2.0", "id": call_id, "method": "tools/call", "params": params}
        async with session.post(self._url, data=json.dumps(message)) as response:
            body = await response.read()
        if response.status != 200:
            return str(response.status)
        text = body.decode()
        value = json.loads(text.partition("data: ")[2] if text.startswith("event:") else text)
        assert (value["id"], len(value["result"]["structuredContent"]["rows"])) == (call_id, count)
        self.answered.add(call_id)
        return ""
