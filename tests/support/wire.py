"""Requests and answers as bytes, for tests that read as transcripts."""

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
    """One request: the usual fields, then these, then, if wanted, the length; and the body as it is."""
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
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


class Answer:
    """One answer, as a strict client reads it."""

    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def values(self, name: str) -> list[str]:
        """Every value of a header field."""
        return [value for field, value in self.fields if field.lower() == name.lower()]


def answers_in(raw: bytes) -> list[Answer]:
    """All answers that follow one another; each must be whole and of a stated length."""
    answers = []
    while raw:
        head, separator, raw = raw.partition(b"\r\n\r\n")
        assert separator, f"an answer without an end of its head: {head!r}"
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
        assert separator, "chunks without an end"
        data, raw = raw[: int(size, 16)], raw[int(size, 16) :]
        assert raw.startswith(b"\r\n"), "a chunk without an end"
        body, raw = body + data, raw[2:]
        if not data:
            return body, raw


@contextlib.asynccontextmanager
async def connection(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client's connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(gateway: Gateway, *segments: bytes, within: float = 5) -> list[Answer]:
    """Send these bytes, each in a segment of its own, and read answers until the gateway closes the connection.

    Fails where it does not close: a request after which it may stay open says `Connection: close`.
    """
    async with connection(gateway) as (reader, writer):
        for segment in segments:
            writer.write(segment)
            await writer.drain()
            if len(segments) > 1:
                # The loop reads what has arrived before the next segment is written.
                await asyncio.sleep(0.002)
        try:
            async with asyncio.timeout(within):
                return answers_in(await reader.read())
        except TimeoutError:
            raise AssertionError("the connection stays open") from None
        except ConnectionError:
            return []


async def denied(gateway: Gateway, *segments: bytes, within: float = 5) -> int:
    """Send these bytes: the gateway answers them once, 4xx and in JSON, and closes the connection. The status."""
    answers = await exchange(gateway, *segments, within=within)
    assert len(answers) == 1, f"{len(answers)} answers"
    assert 400 <= answers[0].status < 500, f"answered {answers[0].status}"
    assert answers[0].json["error"]["code"] < 0
    return answers[0].status


async def assert_all_denied(
    gateway: Gateway, upstream: ScriptedUpstream, requests: Mapping[Any, bytes], status: int | None = None
) -> None:
    """Each of these is denied (with this status), and not one byte goes upstream."""
    answered = await asyncio.gather(*(denied(gateway, raw) for raw in requests.values()), return_exceptions=True)
    faults = {
        name: repr(fault) for name, fault in zip(requests, answered, strict=True) if isinstance(fault, BaseException)
    }
    assert faults == {}
    assert_untouched(upstream)
    if status is not None:
        assert dict(zip(requests, answered, strict=True)) == dict.fromkeys(requests, status)


def assert_untouched(upstream: ScriptedUpstream) -> None:
    """Not one byte went upstream, nor was it connected to."""
    assert (upstream.requests, upstream.connections) == ([], 0)
