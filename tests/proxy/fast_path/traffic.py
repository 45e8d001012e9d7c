"""Random requests on one connection: valid and invalid, pipelined, and in segments that end anywhere.

A `Plan` is a sequence of bursts. A burst is sent without waiting for responses; the next one is sent when all responses
to it have arrived. The requests are such that neither responses nor the end of the connection depend on time: one that
the gateway may reject before its end has arrived is sent in one segment, and nothing is sent in a separate segment
after one that ends the connection.
"""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any, NamedTuple

from tests.proxy.downstream.lines import CHUNKED
from tests.proxy.downstream.mutations import mutated
from tests.proxy.fast_path.invalid_requests import invalid_request, rejected_request
from tests.proxy.fast_path.messages import FAST_PATH_REQUESTS, GENERAL_PATH_REQUESTS
from tests.proxy.fast_path.responses import (
    CLOSING_RESPONSES,
    LARGE_RESPONSES,
    OTHER_RESPONSES,
    SINGLE_RESULT_RESPONSES,
)
from tests.proxy.fast_path.sender import CLOSE, KEEP_ALIVE, Sender
from tests.support.gateway import call
from tests.support.wire import EVIL, chunked, request

_ONE_READ = 40_000
"""Bytes that arrive together on the loopback interface."""
VALID_KEYS = ("unlimited", "tools", "tables", "addresses", "limited", "another owner")
BAD_KEYS = ("other addresses", "revoked", "expired", "unknown", "malformed", None)
BODILESS_ANSWERS = ("json", "events in chunks", "202", "204", "404", "no events", "trailers", "events with a length")
_LAST = request(b"GET /healthz HTTP/1.1", CLOSE, body=b"", length=False)
_GARBAGE = b"x\r\n" * 3000
"""Completes any head or chunk, and most bodies, and is no request."""


class Planned(NamedTuple):
    """A request."""

    raw: bytes
    divisible: int = 0
    """Bytes at its beginning within which a segment may end."""
    ends_burst: bool = False
    """True if the response may end the connection."""
    is_last: bool = False
    """True if the connection ends with the response, if not before."""


class Burst(NamedTuple):
    """Segments that are sent without waiting for a response."""

    segments: tuple[bytes, ...]
    requests: int
    is_last: bool
    pause: float
    """Seconds between the first two segments."""


class Plan(NamedTuple):
    """All that is sent on a connection."""

    bursts: list[Burst]
    has_loose_chunks: bool
    """True if a response arrives in several reads, so that the chunks to the client depend on time."""


class Traffic:
    """Makes plans from random numbers.

    `keys` are those of `VALID_KEYS` and `BAD_KEYS` by name; `max_body` is the gateway's maximum size of a request body.
    """

    def __init__(self, random: Random, keys: dict[str, str], max_body: int) -> None:
        self._random = random
        self._keys = keys
        self._max_body = max_body
        self._id = 0
        self._has_loose_chunks = False

    def plan(self) -> Plan:
        """Return what to send on the next connection."""
        self._has_loose_chunks = False
        sender = self._sender()
        bursts = []
        for _ in range(self._random.randint(2, 14)):
            bursts.append(self._burst(sender))
            if bursts[-1].is_last:
                return Plan(bursts, self._has_loose_chunks)
        return Plan([*bursts, Burst((_LAST,), 1, True, 0)], self._has_loose_chunks)

    def _sender(self) -> Sender:
        name = self._random.choice([*["unlimited"] * 10, *VALID_KEYS * 3, *BAD_KEYS])
        fields: list[bytes] = []
        if self._random.random() < 0.4:
            fields.append(b"Mcp-Session-Id: s-%d" % self._random.randint(1, 3))
        if self._random.random() < 0.2:
            fields.append(b"Origin: http://localhost:5173")
        if self._random.random() < 0.3:
            others = [b"MCP-Protocol-Version: 2025-11-25", b"Mcp-Method: tools/call", b"X: \xe9"]
            fields.append(self._random.choice(others))
        version = self._random.choice([b"1.1"] * 12 + [b"1.0"])
        if version == b"1.0" and self._random.random() < 0.7:
            fields.append(KEEP_ALIVE)
        key = None if name is None else self._keys[name]
        return Sender(key, name in VALID_KEYS, tuple(fields), version)

    def _burst(self, sender: Sender) -> Burst:
        requests: list[Planned] = []
        for _ in range(self._random.choice([1, 1, 2, 3, 5])):
            planned = self._request(sender)
            if requests and sum(len(each.raw) for each in [*requests, planned]) > _ONE_READ:
                break
            requests.append(planned)
            if planned.ends_burst or planned.is_last:
                break
        is_last = requests[-1].is_last
        allowed: list[int] = []
        end = 0
        for planned in requests:
            start, end = end, end + len(planned.raw)
            allowed += [*range(start, start + planned.divisible), end]
        raw = b"".join(planned.raw for planned in requests)
        rest = self._random.choice([b"", b"", request(body=EVIL), sender.post(EVIL), _GARBAGE]) if is_last else b""
        cuts = self._random.choice([0, 1, 1, 2, 3, 8])
        edges = sorted({0, *self._random.sample(allowed, min(cuts, len(allowed))), len(raw)})
        segments = [raw[start:end] for start, end in itertools.pairwise(edges)]
        pause = 0.12 if self._random.random() < 0.01 else 0
        return Burst((*segments[:-1], segments[-1] + rest), len(requests), is_last, pause)

    def _request(self, sender: Sender) -> Planned:
        kinds = [self._call] * 48 + [self._message] * 4 + [self._framed] * 3 + [self._bodiless] * 2
        kinds += [self._last, self._rejected, self._too_large, self._invalid, self._mutated]
        return self._random.choice(kinds)(self._sender() if self._random.random() < 0.1 else sender)

    # Valid requests.

    def _call_body(self, sender: Sender) -> tuple[bytes, bool]:
        """Return a call, and whether its response may end the connection."""
        self._id = self._id % 9 + 1
        groups = [*["usual"] * 12, *["single result"] * 3, *["other"] * 3, "closing", "large"]
        group = self._random.choice(groups)
        names = {
            "usual": ["json", "events in chunks"],
            "single result": list(SINGLE_RESULT_RESPONSES),
            "other": list(OTHER_RESPONSES),
            "closing": list(CLOSING_RESPONSES),
            "large": list(LARGE_RESPONSES),
        }[group]
        arguments: dict[str, Any] = {"answer": self._random.choice(names)}
        # Whether an incomplete response is a 502 or begins to arrive depends on when the upstream closes.
        if group != "closing" and self._random.random() < 0.08:
            arguments["cut"] = self._random.randrange(1, 400)
        self._has_loose_chunks |= "cut" in arguments or group == "large"
        match self._random.randrange(8):
            case 0:
                arguments["table"] = self._random.choice(["prices", "secrets"])
            case 1:
                arguments["sql"] = f"SELECT n FROM {self._random.choice(['prices', 'secrets'])} LIMIT 5"
            case 2:
                # Without a valid key, a larger body is rejected before it has arrived.
                sizes = [100, 5000, 5000, 30_000, self._max_body - 10_000 if sender.is_valid else 100]
                arguments["text"] = "x" * self._random.choice(sizes)
        tool = self._random.choice(["get"] * 8 + ["get_more", "drop"])
        message = call(tool, self._id, **arguments)
        return json.dumps(message, separators=(",", ":")).encode(), group == "closing" or "cut" in arguments

    def _call(self, sender: Sender) -> Planned:
        body, may_end = self._call_body(sender)
        return self._planned(sender, sender.post(body), ends_burst=may_end)

    def _message(self, sender: Sender) -> Planned:
        """Return a request with any other message or body."""
        message = self._random.choice([*FAST_PATH_REQUESTS.values(), *GENERAL_PATH_REQUESTS.values()])
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self._planned(sender, sender.post(body))

    def _framed(self, sender: Sender) -> Planned:
        """Return a call whose length is spelled differently."""
        body, may_end = self._call_body(sender)
        length = len(body)
        field = self._random.choice(
            [
                *(b"content-length: %d" % length, b"CONTENT-LENGTH:%d" % length, b"Content-Length:  %d" % length),
                *(b"Content-Length: %d " % length, b"Content-Length:\t%d" % length, b"Content-Length: 0%d" % length),
                b"Content-Length: %d\r\nX-After: 1" % length,
            ]
        )
        return self._planned(sender, sender.post(body, field, length=False), ends_burst=may_end)

    def _bodiless(self, sender: Sender) -> Planned:
        method = self._random.choice([b"GET", b"DELETE", b"HEAD", b"OPTIONS", b"PUT", b"TRACE"])
        path = self._random.choice([b"/mcp", b"/mcp", b"/mcp", b"/healthz", b"/readyz", b"/other", b"/mcp?a=1"])
        answer = b"X-Answer: " + self._random.choice(BODILESS_ANSWERS).encode()
        fields = (*sender.fields, answer, b"Accept: text/event-stream")
        line = b"%b %b HTTP/%b" % (method, path, sender.version)
        has_length = self._random.random() < 0.2
        return Planned(request(line, *fields, key=sender.key, body=b"", length=has_length), ends_burst=True)

    def _last(self, sender: Sender) -> Planned:
        """Return a call after which the connection is closed."""
        body, _ = self._call_body(sender)
        cut = self._random.randrange(1, len(body))
        plain = sender.without_keep_alive()
        newer = plain._replace(version=b"1.1")
        raw = self._random.choice(
            [
                sender.closing().post(body),
                plain.post(body, b"Connection: upgrade", b"Upgrade: h2c"),
                plain.post(body, b"Upgrade: websocket"),
                newer.post(chunked(body[:cut], body[cut:]), CHUNKED, length=False),
                newer.post(chunked(body, end=b"0\r\nX: y\r\n\r\n"), CHUNKED, length=False),
                sender.closing().post(body, b"Expect: 100-continue"),
                sender.closing().post(b" " * self._max_body + body),
            ]
        )
        return self._planned(sender, raw, is_last=True)

    def _planned(self, sender: Sender, raw: bytes, *, ends_burst: bool = False, is_last: bool = False) -> Planned:
        return Planned(raw, len(raw), ends_burst or sender.version == b"1.0", is_last or not sender.keeps_alive)

    # Invalid requests.

    def _rejected(self, sender: Sender) -> Planned:
        """Return a request that is rejected because of its head, in one segment if it keeps the connection alive."""
        is_last = self._random.random() < 0.3
        raw = rejected_request(self._random, sender.closing() if is_last else sender, self._small_body(sender))
        is_last = is_last or not sender.keeps_alive
        return Planned(raw, len(raw) if is_last else 0, ends_burst=True, is_last=is_last)

    def _too_large(self, sender: Sender) -> Planned:
        """Return a request with a body that is a little too large; its head may be that of other requests."""
        raw = sender.post(b" " * self._max_body + self._small_body(sender))
        # Only if it arrives at once, the connection is certainly kept alive.
        is_last = len(raw) > _ONE_READ + 2000
        if is_last:
            raw = sender.closing().post(b" " * self._max_body + self._small_body(sender))
        return Planned(raw, ends_burst=True, is_last=is_last or not sender.keeps_alive)

    def _invalid(self, sender: Sender) -> Planned:
        """Return a request with invalid framing; nothing that follows is served."""
        raw, divisible = invalid_request(self._random, sender._replace(version=b"1.1"), self._call_body(sender)[0])
        return Planned(raw + _GARBAGE, divisible, is_last=True)

    def _mutated(self, sender: Sender) -> Planned:
        body = self._small_body(sender)
        raws = [sender.post(body), sender.post(chunked(body[:9], body[9:]), CHUNKED, length=False)]
        return Planned(mutated(self._random, self._random.choice(raws)) + _GARBAGE, is_last=True)

    def _small_body(self, sender: Sender) -> bytes:
        body, _ = self._call_body(sender)
        return body if len(body) < 1000 else EVIL
