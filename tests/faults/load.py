"""A steady load of calls, each with an id of its own and a known number of records, and what became of each."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

CLIENTS = 8
_SILENCE = 4.0
"""Seconds after which a client gives an answer up."""
_PAUSE = 0.05


class Load:
    """Calls made so far."""

    def __init__(self, url: str, key: str, rate: float) -> None:
        """About `rate` calls a second."""
        self._url = url
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self._numbers = itertools.count()
        self._between = CLIENTS / rate
        self.asked: dict[str, int] = {}
        """Every call that was sent, by its id, and the records that it asked for."""
        self.answered: set[str] = set()
        """Those whose answer a client held whole."""
        self.failures: dict[str, int] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make calls while inside."""
        over = asyncio.Event()
        clients = [asyncio.create_task(self._client(over)) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            over.set()
            await asyncio.gather(*clients)

    async def _client(self, over: asyncio.Event) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE, sock_connect=_SILENCE)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while not over.is_set():
                await asyncio.sleep(random.expovariate(1 / self._between))
                call_id = f"call-{next(self._numbers)}"
                try:
                    outcome = await self._call(session, call_id, random.randrange(20))
                except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                    outcome = type(error).__name__
                if outcome:
                    self.failures[outcome] = self.failures.get(outcome, 0) + 1
                    await asyncio.sleep(_PAUSE)

    async def _call(self, session: aiohttp.ClientSession, call_id: str, count: int) -> str:
        """Make one call; why it has no whole answer, or nothing."""
        self.asked[call_id] = count
        params = {"name": "rows", "arguments": {"count": count}}
        message = {"jsonrpc": "2.0", "id": call_id, "method": "tools/call", "params": params}
        async with session.post(self._url, data=json.dumps(message)) as answer:
            body = await answer.read()
        if answer.status != 200:
            return str(answer.status)
        text = body.decode()
        value = json.loads(text.partition("data: ")[2] if text.startswith("event:") else text)
        assert (value["id"], len(value["result"]["structuredContent"]["rows"])) == (call_id, count)
        self.answered.add(call_id)
        return ""
