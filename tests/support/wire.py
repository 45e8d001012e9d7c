"""Requests and responses as bytes, for tests that read as transcripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tests.support.gateway import Gateway
from tests.support.scripted_upstream import ScriptedUpstream

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
EVIL = b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"drop","arguments":{}}}'


def request(
    line: bytes = b"POST /mcp HTTP/1.1",
    *fields: bytes,
    key: str | None = None,
    body: bytes = PING,
    host: bytes | None = b"localhost",
    length: bool = True,
) -> bytes:
    """Return a request: the common fields, `fields`, with `length` a Content-Length, and the body."""
    lines = [line]
    if host is not None:
        lines.append(b"Host: " + host)
    if key is not None:
        lines.append(b"Authorization: Bearer " + key.encode())
    lines += [b"Content-Type: application/json", *fields]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return a body with chunked transfer coding."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


class Answer:
    """A response, as a strict client parses it."""

    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        """Return every value of a header field."""
        return [value for field, value in self.fields if field.lower() == name.lower()]


def answers_in(raw: bytes) -> list[Answer]:
    """Parse a sequence of responses; each must be complete and have a length or chunks."""
    answers = []
    while raw:
        head, separator, raw = raw.partition(b"\r\n\r\n")
        assert separator, f"the head of a response has no end: {head!r}"
        status_line, *lines = head.decode("latin-1").split("\r\n")
        fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answer = Answer(int(status_line.split(" ")[1]), fields, b"")
        if lengths := answer.values("content-length"):
            answer.body, raw = raw[: int(lengths[0])], raw[int(lengths[0]) :]
            assert len(answer.body) == int(lengths[0])
        elif answer.values("transfer-encoding"):
            answer.body, raw = _dechunked(raw)
        answers.append(answer)
    return answers


def _dechunked(raw: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, separator, raw = raw.partition(b"\r\n")
        assert separator, "the chunked body has no end"
        data, raw = raw[: int(size, 16)], raw[int(size, 16) :]
        assert raw.startswith(b"\r\n"), "a chunk has no end"
        body, raw = body + data, raw[2:]
        if not data:
            return body, raw


@contextlib.asynccontextmanager
async def connection(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to the gateway."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(gateway: Gateway, *segments: bytes, within: float = 5) -> list[Answer]:
    """Send segments of bytes one by one, and read responses until the gateway closes the connection.

    Fails if the connection stays open, so the last request must have `Connection: close` or be invalid.
    """
    async with connection(gateway) as (reader, writer):
        for segment in segments:
            writer.write(segment)
            await writer.drain()
            if len(segments) > 1:
                # The gateway reads this segment before the next one is written.
                await asyncio.sleep(0.002)
        try:
            async with asyncio.timeout(within):
                return answers_in(await reader.read())
        except TimeoutError:
            raise AssertionError("the connection stays open") from None
        except ConnectionError:
            return []


async def denied(gateway: Gateway, *segments: bytes, within: float = 5) -> int:
    """Send bytes that the gateway must reject: one 4xx response in JSON, then a close. Returns the status."""
    answers = await exchange(gateway, *segments, within=within)
    assert len(answers) == 1, f"{len(answers)} responses"
    assert 400 <= answers[0].status < 500, f"status {answers[0].status}"
    assert answers[0].json["error"]["code"] < 0
    return answers[0].status


async def assert_all_denied(
    gateway: Gateway, upstream: ScriptedUpstream, requests: Mapping[Any, bytes], status: int | None = None
) -> None:
    """Assert that each request is rejected, with `status` if given, and that nothing goes upstream."""
    answered = await asyncio.gather(*(denied(gateway, raw) for raw in requests.values()), return_exceptions=True)
    faults = {
        name: repr(fault) for name, fault in zip(requests, answered, strict=True) if isinstance(fault, BaseException)
    }
    assert faults == {}
    assert_untouched(upstream)
    if status is not None:
        assert dict(zip(requests, answered, strict=True)) == dict.fromkeys(requests, status)


def assert_untouched(upstream: ScriptedUpstream) -> None:
    """Assert that nothing was sent to the upstream, and that it got no connection."""
    assert (upstream.requests, upstream.connections) == ([], 0)
