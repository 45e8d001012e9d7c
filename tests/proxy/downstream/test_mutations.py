"""No mutation of requests without a key reaches the upstream."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest

from tests.proxy.downstream.lines import CHUNKED, POST
from tests.proxy.downstream.mutations import mutated
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
)
from tests.support.wire import (
    EVIL,
    assert_untouched,
    chunked,
    connection,
    request,
)


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_requests_without_a_key_are_never_forwarded_and_never_a_server_error(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    random = Random(seed)
    originals = [
        request(body=EVIL) + request(body=EVIL),
        request(POST, CHUNKED, body=chunked(EVIL[:9], EVIL[9:], end=b"0\r\nX: y\r\n\r\n"), length=False)
        + request(body=EVIL),
        request(b"GET /mcp HTTP/1.1", body=b"", length=False) + request(b"DELETE /mcp HTTP/1.1", body=b""),
        request(b"OPTIONS /mcp HTTP/1.1", body=b"") + request(body=EVIL) + request(b"HEAD /mcp HTTP/1.1", body=b""),
    ]

    async def send(raw: bytes) -> bytes:
        async with connection(gateway) as (reader, writer):
            writer.write(raw)
            await asyncio.sleep(0.005)
            writer.write_eof()
            try:
                return await asyncio.wait_for(reader.read(), 30)
            except ConnectionError:
                return b""

    for _ in range(8):
        sent = [mutated(random, random.choice(originals)) for _ in range(25)]
        for raw, response in zip(sent, await asyncio.gather(*map(send, sent)), strict=True):
            assert not response or response.startswith(b"HTTP/1."), raw
            assert b"HTTP/1.1 5" not in response, raw
    assert_untouched(upstream)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not [warning for warning in warnings if "was refused; if clients may use it" not in warning]
