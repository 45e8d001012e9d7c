"""Open streams end when their key changes."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from gateway.keys.policies import PolicyStore
from tests.proxy.streams import Listening, event, listening, next_event
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import ScriptedUpstream

PING = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}


@pytest.mark.parametrize("of", ["key", "owner"])
@pytest.mark.parametrize(
    "scopes", [{"allowed_tools": ["get"]}, {"allowed_tables": ["prices"]}, {"read_only": True}], ids=str
)
async def test_a_listening_stream_ends_within_a_second_of_a_change_of_the_scopes_of_its_key(
    gateway: Gateway, upstream: ScriptedUpstream, of: str, scopes: dict[str, Any]
) -> None:
    stream = Listening(upstream)
    record, key = await gateway.new_key()
    async with listening(gateway, key) as content:
        await stream.send(event(PING))
        assert (await next_event(content))["event"] == "message"
        if of == "key":
            await gateway.keys.update(record.key_id, **scopes)
        else:
            await PolicyStore(gateway.redis).update(record.owner, scopes)
        async with asyncio.timeout(30):
            with pytest.raises(aiohttp.ClientError):
                await content.read()
