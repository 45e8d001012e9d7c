"""Responses in bytes, and parsers for them."""

from __future__ import annotations

import itertools
from random import Random
from typing import NamedTuple

from hypothesis import strategies as st

from gateway.proxy.upstream.body_buffer import BodyBuffer
from gateway.proxy.upstream.response_head import CachedResponseHead
from gateway.proxy.upstream.response_parser import COMPLETE, ResponseParser
from tests.support.wire import chunked


def new_parser(cached_head: CachedResponseHead | None = None) -> ResponseParser:
    return ResponseParser(BodyBuffer(), cached_head)


class Sample(NamedTuple):
    """A response in bytes, and what is to be parsed from it."""

    raw: bytes
    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    trailers: list[tuple[bytes, bytes]]
    is_keep_alive: bool
    ends_with_eof: bool


_names = st.from_regex(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in {"content-length", "transfer-encoding", "connection", "upgrade", "keep-alive"}
)


_values = st.from_regex(r"([!-~\u00a1-\u00ff]([ \t!-~\u00a1-\u00ff]{0,30}[!-~\u00a1-\u00ff])?)?", fullmatch=True)


_fields = st.lists(st.tuples(_names, _values).map(lambda f: (f[0].encode(), f[1].encode("latin-1"))), max_size=5)


_bodies = st.binary(max_size=200) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])


_informational = st.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX: y\r\n\r\n"]
)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """Responses of every framing and without a body, some after informational responses."""
    before = draw(_informational) + draw(_informational)
    fields, body = draw(_fields), draw(_bodies)
    reason = draw(st.sampled_from(["OK", "", "Not so good", "\xe9", "\udce9"]))
    framing = draw(st.sampled_from(["length", "chunks", "stream", "none", "close", "http/1.0"]))
    status = draw(st.sampled_from([204, 304] if framing == "none" else [200, 202, 404, 500, 599]))
    trailers = draw(_fields) if framing == "chunks" else []
    version, own, sent = b"1.1", [], body
    if framing == "none":
        body = sent = b""
    elif framing in ("length", "close", "http/1.0"):
        own = [(b"Content-Length", b"%d" % len(body))]
    elif framing == "chunks":
        cut = draw(st.integers(0, len(body)))
        own = [(b"tRANSFER-eNCODING", b"Chunked")]
        end = b"0\r\n" + b"".join(b"%b: %b\r\n" % field for field in trailers) + b"\r\n"
        sent = chunked(*filter(None, (body[:cut], body[cut:])), end=end)
    if framing == "close":
        own.append((b"Connection", b"close"))
    if framing == "http/1.0":
        version = b"1.0"
    headers = [*fields[:2], *own, *fields[2:]]
    head = b"HTTP/%b %d %b\r\n" % (version, status, reason.encode("utf-8", "surrogateescape"))
    lines = b"".join(b"%b: %b\r\n" % field for field in headers)
    is_keep_alive = framing in ("length", "chunks", "none")
    raw = before + head + lines + b"\r\n" + sent
    return Sample(raw, status, reason, headers, body, trailers, is_keep_alive, framing == "stream")


def split(raw: bytes, cuts: set[int]) -> list[bytes]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(edges)]


def assert_parsed(parser: ResponseParser, sample: Sample, body: bytes) -> None:
    lengths = [int(value) for name, value in sample.headers if name.lower() == b"content-length"]
    headers = [field for field in sample.headers if field[0].lower() != b"content-length"]
    assert (parser.status, parser.reason, parser.headers) == (sample.status, sample.reason, headers)
    assert [length for length in [parser.content_length] if length is not None] == lengths
    assert (body, parser.trailers) == (sample.body, sample.trailers)
    assert (parser.state is COMPLETE, parser.keep_alive) == (True, sample.is_keep_alive)


def parsers(sample: Sample) -> list[ResponseParser]:
    """Return a parser without a cached head, and one that has cached the head of the sample."""
    first = new_parser()
    if sample.is_keep_alive:
        first.feed(sample.raw)
    return [new_parser(), new_parser(first.cached_head)]


NOISE = Random(1).randbytes(300_000)


LARGE = st.lists(st.sampled_from([1, 900, 65_536, 65_537, 140_000]), min_size=1, max_size=3)


CUTS = st.sets(st.integers(1, 400_000), max_size=6)


def large_response(sizes: list[int], *, is_chunked: bool) -> tuple[bytes, bytes]:
    """Return a response with a body of these parts, and its body."""
    body = b"".join(NOISE[n : n + size] for n, size in enumerate(sizes))
    if not is_chunked:
        return b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), body
    parts = [NOISE[n : n + size] for n, size in enumerate(sizes)]
    return b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts), body
