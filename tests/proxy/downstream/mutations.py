"""Random mutations of requests."""

from __future__ import annotations

from random import Random

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
