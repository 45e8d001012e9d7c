"""Requests that the gateway rejects because of their head or framing."""

from __future__ import annotations

from random import Random

from tests.proxy.downstream.lines import CHUNKED
from tests.proxy.fast_path.sender import Sender


def rejected_request(random: Random, sender: Sender, body: bytes) -> bytes:
    """Return a request with valid framing and, in most cases, a head that is rejected."""
    return random.choice(
        [
            sender.post(body, b"Content-Encoding: gzip"),
            sender.post(body).replace(b"application/json", b"text/plain", 1),
            sender.post(body).replace(b"Host: localhost", b"Host: evil.example", 1),
            sender.post(body, b"Origin: http://evil.example"),
            sender.post(body).replace(b"/mcp", b"/nowhere", 1),
            sender.post(body).replace(b"POST", b"PUT", 1),
            sender.post(body, b"Expect: 100-continue"),
            sender.post(body, b"Mcp-Name: other"),
            sender.post(body, b"Last-Event-ID: 7", b"Cookie: a=b"),
        ]
    )


def invalid_request(random: Random, sender: Sender, body: bytes) -> tuple[bytes, int]:
    """Return a request with invalid framing, and the bytes at its beginning within which a segment may end."""
    match random.randrange(5):
        case 0 | 1:
            raw = sender.post(random.choice(invalid_chunks(body)), CHUNKED, length=False)
            return raw, len(raw)
        case 2:
            replaced = [(b"\r\n", b"\n"), (b" HTTP", b"  HTTP"), (b"P", b"p"), (b": ", b" : "), (b"/1.1", b"/1.2")]
            raw = sender.post(body).replace(*random.choice(replaced), 1)
        case _:
            raw = sender.post(body, random.choice(invalid_lengths(len(body))), length=False)
    return raw, len(raw) - len(body)


def invalid_lengths(length: int) -> list[bytes]:
    """Return header lines instead of a correct `Content-Length`."""
    return [
        *(b"Content-Length: x", b"Content-Length: -1", b"Content-Length: +%d" % length, b"Content-Length:"),
        *(b"Content-Length: %d, %d" % (length, length), b"Content-Length: 0x%x" % length, b"Content-Length : 5"),
        *(b"Content-Length: %d\r\nContent-Length: %d" % (length, length), b"Content-Length: 1_0"),
        *(b"Content-Length: %d\r\nTransfer-Encoding: chunked" % length, b"Content-Length: " + b"9" * 16),
        *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b" Content-Length: 5"),
        *(b"X: a\nContent-Length: %d" % length, b"X: a\rb", b"X Y: 1", b"X: \0", b"Content_Length: 5"),
        *(b"Content-Length: %d" % wrong for wrong in (length - 1, length + 1, length // 2)),
    ]


def invalid_chunks(body: bytes) -> list[bytes]:
    """Return chunked bodies with an error, or without an end."""
    size = len(body)
    return [
        *(b"%x\r\n%b\n0\r\n\r\n" % (size, body), b"%x\n%b\r\n0\r\n\r\n" % (size, body), b"0x%x\r\n" % size + body),
        *(b"%x \r\n%b\r\n0\r\n\r\n" % (size, body), b"-1\r\n" + body, b"\r\n" + body, b"f" * 17),
        *(b"%x;a b\r\n%b\r\n0\r\n\r\n" % (size, body), b"%x\r\n%b\r\n0\r\nX: y\n\r\n" % (size, body)),
        *(b"%x\r\n%b\r\n" % (size, body), b"%x\r\n%b" % (size - 1, body)),
    ]
