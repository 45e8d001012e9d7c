"""Raw bytes on the admin port: invalid framing, slow heads, and what is logged of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from admin_api.app import make_app
from admin_api.dependencies import Dependencies
from admin_api.http.connection import Runner


@pytest.fixture
async def port(deps: Dependencies) -> AsyncIterator[int]:
    runner = Runner(make_app(deps), head_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def exchange(port: int, sent: bytes) -> bytes:
    """Send bytes and return what the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(30):
        received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization : Bearer hush-hush\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer hush-hush\x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: hush-hush\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"hush-hush" * 3000 + b"\r\n\r\n",
        b"\x16\x03\x01 hush-hush\r\n\r\n",
    ],
    ids=["space before colon", "NUL", "two lengths", "long field", "TLS"],
)
async def test_invalid_http_is_a_problem_and_its_bytes_are_not_logged(
    port: int, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    received = await exchange(port, sent)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400
    assert "hush" not in caplog.text
    assert b"hush" not in received


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
async def test_the_connection_is_closed_if_the_head_is_not_complete_in_time(port: int, sent: bytes) -> None:
    assert await exchange(port, sent) == b""


async def test_the_connection_is_closed_if_the_head_of_a_second_request_is_late(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200 OK")
    writer.write(b"GET /healthz HT")
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_leaves_before_the_end_of_its_body_is_no_error_of_the_server(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{")
    writer.close()
    await writer.wait_closed()
    await exchange(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert caplog.text == ""
