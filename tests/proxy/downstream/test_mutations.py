"""No mutation of requests without a key reaches the upstream."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest

from tests.proxy.downstream.lines import CHUNKED, POST
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

_SPLICES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"_",
    b"#",
    b"?",
    b"%",
    b"\xff",
    b"0",
    b"x",
    b"-",
    b"\r\n\r\n",
    b"\r\n ",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
    b"Expect: 100-continue\r\n",
    b"GET /healthz HTTP/1.1\r\n",
    b"chunked",
    b"CONNECT ",
    b"OPTIONS ",
    b"HEAD ",
    b"initialize",
    b"Host: localhost\r\n",
    b"Connection: close\r\n",
]


def mutated(random: Random, raw: bytes) -> bytes:
    """Return these bytes with some removed, inserted or repeated."""
    for _ in range(random.randint(1, 3)):
        start = random.randrange(len(raw) + 1)
        end = start + random.choice([0, 0, 1, 2, random.randrange(30)])
        raw = raw[:start] + random.choice([*_SPLICES, raw[start:end] * 2, b""]) + raw[end:]
    return raw


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
                return await asyncio.wait_for(reader.read(), 3)
            except ConnectionError:
                return b""

    for _ in range(8):
        sent = [mutated(random, random.choice(originals)) for _ in range(25)]
        for raw, response in zip(sent, await asyncio.gather(*map(send, sent)), strict=True):
            assert not response or response.startswith(b"HTTP/1."), raw
            assert b"HTTP/1.1 5" not in response, raw
    assert_untouched(upstream)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
