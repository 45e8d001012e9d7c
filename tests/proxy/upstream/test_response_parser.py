"""An answer is read the same however its bytes are split, and is never whole before its end."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy.upstream.body_buffer import BodyBuffer
from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.llhttp_reader import MAX_HEAD, MAX_HEADERS
from gateway.proxy.upstream.response_parser import COMPLETE, CachedHead, ResponseParser
from tests.support.wire import chunked


def new_parser(cached_head: CachedHead | None = None) -> ResponseParser:
    return ResponseParser(BodyBuffer(), cached_head)


class Sample(NamedTuple):
    """An answer as bytes and as what is to be read of it."""

    raw: bytes
    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    trailers: list[tuple[bytes, bytes]]
    is_keep_alive: bool
    ends_with_the_stream: bool


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
    """Answers with a length, in chunks, until the end of the stream, and without a body; with 1xx before them."""
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


def assert_is(answer: ResponseParser, sample: Sample, body: bytes) -> None:
    lengths = [int(value) for name, value in sample.headers if name.lower() == b"content-length"]
    headers = [field for field in sample.headers if field[0].lower() != b"content-length"]
    assert (answer.status, answer.reason, answer.headers) == (sample.status, sample.reason, headers)
    assert [length for length in [answer.content_length] if length is not None] == lengths
    assert (body, answer.trailers) == (sample.body, sample.trailers)
    assert ((answer.state is COMPLETE), answer.keep_alive) == (True, sample.is_keep_alive)


def readers(sample: Sample) -> list[ResponseParser]:
    """One that sees the answer's head for the first time, and one that has just seen its like."""
    first = new_parser()
    if sample.is_keep_alive:
        first.feed(sample.raw)
    return [new_parser(), new_parser(first.cached_head)]


@given(samples(), st.sets(st.integers(1, 600)))
def test_an_answer_is_the_same_however_its_bytes_are_split(sample: Sample, cuts: set[int]) -> None:
    for answer in readers(sample):
        body = b""
        for segment in split(sample.raw, cuts):
            assert answer.state is not COMPLETE
            answer.feed(segment)
            body += answer.body.read_nowait()
        if sample.ends_with_the_stream:
            assert answer.state is not COMPLETE
            answer.feed_eof()
        assert_is(answer, sample, body)


@given(st.lists(st.binary(max_size=50), min_size=2, max_size=4), st.sets(st.integers(1, 200)))
def test_answers_of_one_head_are_read_alike_whatever_their_length(bodies: list[bytes], cuts: set[int]) -> None:
    known = None
    for body in bodies:
        answer, read = new_parser(known), b""
        whole = b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: %d\r\nY: z\r\n\r\n%b" % (len(body), body)
        for segment in split(whole, cuts if known else set()):
            answer.feed(segment)
            read += answer.body.read_nowait()
        assert (answer.status, answer.headers) == (200, [(b"X", b"y"), (b"Y", b"z")])
        assert (answer.content_length, read, (answer.state is COMPLETE), answer.keep_alive) == (
            len(body),
            body,
            True,
            True,
        )
        known = answer.cached_head


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=2, max_size=4), st.sets(st.integers(1, 200)))
def test_answers_in_chunks_of_one_head_are_read_alike(bodies: list[bytes], cuts: set[int]) -> None:
    known = None
    for body in bodies:
        answer, read = new_parser(known), b""
        whole = b"HTTP/1.1 202 Fine\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body, b"end")
        for segment in split(whole, cuts if known else set()):
            answer.feed(segment)
            read += answer.body.read_nowait()
        assert (answer.status, answer.reason) == (202, "Fine")
        assert answer.headers == [(b"X", b"y"), (b"Transfer-Encoding", b"chunked")]
        assert (answer.content_length, read) == (None, body + b"end")
        assert ((answer.state is COMPLETE), answer.keep_alive) == (True, True)
        known = answer.cached_head
        assert known is not None


@given(
    st.lists(st.sampled_from([1, 700, 65_536, 65_540, 150_000]), min_size=1, max_size=3),
    st.booleans(),
    st.lists(st.integers(1, 500_000), max_size=6),
    st.booleans(),
    st.data(),
)
def test_a_large_body_is_the_same_whether_it_is_fed_or_put_in_place(
    sizes: list[int], is_chunked: bool, cuts: list[int], is_taken_at_once: bool, data: st.DataObject
) -> None:
    body = b"".join(bytes([65 + number]) * size for number, size in enumerate(sizes))
    if is_chunked:
        parts = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
        raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts)
    else:
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    known = None
    for _ in range(2):
        answer, read = new_parser(known), b""
        for segment in split(raw, set(cuts)):
            while segment:
                assert answer.state is not COMPLETE
                if answer.body.recv_buffer is not None and data.draw(st.booleans()):
                    size = min(len(segment), len(answer.body.recv_buffer))
                    answer.body.recv_buffer[:size] = segment[:size]
                    answer.buffer_updated(size)
                    segment = segment[size:]
                else:
                    answer.feed(segment)
                    segment = b""
                if is_taken_at_once:
                    read += answer.body.read_nowait()
        while answer.body.unread_bytes:
            read += answer.body.read_nowait()
        assert (read == body, (answer.state is COMPLETE), answer.keep_alive) == (True, True, True)
        assert (answer.body.recv_buffer, answer.body.read_nowait()) == (None, b"")
        known = answer.cached_head


def test_what_follows_a_large_chunk_other_than_its_line_end_is_refused() -> None:
    answer = new_parser()
    answer.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n")
    assert answer.body.recv_buffer is not None
    answer.buffer_updated(len(answer.body.recv_buffer))
    assert answer.body.unread_bytes == 0x20000
    with pytest.raises(ResponseError):
        answer.feed(b"\nX")
    with pytest.raises(ResponseError):
        answer.feed_eof()


def test_a_large_body_that_breaks_off_in_place_is_not_whole() -> None:
    for head in (b"Content-Length: 200000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n20000\r\n"):
        answer = new_parser()
        answer.feed(b"HTTP/1.1 200 OK\r\n" + head)
        assert answer.body.recv_buffer is not None
        answer.buffer_updated(100_000)
        assert len(answer.body.read_nowait()) == 100_000
        with pytest.raises(ResponseError):
            answer.feed_eof()
        assert answer.state is not COMPLETE


def test_a_large_body_that_came_in_place_is_one_piece() -> None:
    answer = new_parser()
    answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nabc")
    assert answer.body.recv_buffer is not None
    answer.body.recv_buffer[-1:] = b"z"
    answer.buffer_updated(len(answer.body.recv_buffer))
    body = answer.body.read_nowait()
    assert isinstance(body, bytearray)
    assert (len(body), bytes(body[:3]), bytes(body[-1:])) == (200_000, b"abc", b"z")


def test_a_head_that_differs_in_more_than_the_number_is_read_anew() -> None:
    first = new_parser()
    first.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2 \r\nX: \0\r\n\r\nok",
    ):
        with pytest.raises(ResponseError):
            new_parser(first.cached_head).feed(raw)
    closing = new_parser(first.cached_head)
    closing.feed(b"HTTP/1.1 201 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    assert (closing.status, (closing.state is COMPLETE), closing.keep_alive) == (201, True, False)


def receive(answer: ResponseParser, raw: bytes, cuts: set[int], takes: Iterator[bool]) -> bytes:
    """Receive as a connection does, in place where there is room; what was taken meanwhile."""
    taken = b""
    for segment in split(raw, cuts):
        left = segment
        while left:
            if answer.body.recv_buffer is None:
                answer.feed(left)
                left = b""
            else:
                size = min(len(left), len(answer.body.recv_buffer))
                answer.body.recv_buffer[:size] = left[:size]
                answer.buffer_updated(size)
                left = left[size:]
            if next(takes):
                taken += answer.body.read_nowait()
    return taken


def rest_of(answer: ResponseParser) -> bytes:
    """All that waits to be taken."""
    rest = b""
    while answer.body.unread_bytes:
        piece = answer.body.read_nowait()
        assert piece
        rest += piece
    assert answer.body.read_nowait() == b""
    return rest


NOISE = Random(1).randbytes(300_000)
LARGE = st.lists(st.sampled_from([1, 900, 65_536, 65_537, 140_000]), min_size=1, max_size=3)
CUTS = st.sets(st.integers(1, 400_000), max_size=6)
TAKES = st.lists(st.booleans(), min_size=1, max_size=5)


def large(sizes: list[int], *, in_chunks: bool) -> tuple[bytes, bytes]:
    """An answer with a body of these parts, and its body."""
    body = b"".join(NOISE[n : n + size] for n, size in enumerate(sizes))
    if not in_chunks:
        return b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), body
    parts = [NOISE[n : n + size] for n, size in enumerate(sizes)]
    return b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*parts), body


@given(LARGE, st.booleans(), CUTS, TAKES)
@settings(deadline=None)
def test_a_large_body_is_the_same_however_it_comes_and_is_taken(
    sizes: list[int], in_chunks: bool, cuts: set[int], takes: list[bool]
) -> None:
    raw, body = large(sizes, in_chunks=in_chunks)
    first = new_parser()
    first.feed(large([5], in_chunks=in_chunks)[0])
    for answer in (new_parser(), new_parser(first.cached_head)):
        assert receive(answer, raw, cuts, itertools.cycle(takes)) + rest_of(answer) == body
        assert ((answer.state is COMPLETE), answer.keep_alive, answer.body.recv_buffer) == (True, True, None)


@given(LARGE, st.booleans(), CUTS)
@settings(deadline=None)
def test_a_large_body_of_which_nothing_was_taken_can_be_seen_in_one(
    sizes: list[int], in_chunks: bool, cuts: set[int]
) -> None:
    raw, body = large(sizes, in_chunks=in_chunks)
    first = new_parser()
    first.feed(large([5], in_chunks=in_chunks)[0])
    for answer in (new_parser(), new_parser(first.cached_head)):
        receive(answer, raw, cuts, itertools.repeat(False))
        source, start, end = answer.body.view()
        assert source[start:end] == body
        assert rest_of(answer) == body


@given(LARGE, st.booleans(), CUTS, TAKES, st.integers(60, 400_000), st.booleans())
@settings(deadline=None)
def test_what_came_of_a_large_body_can_be_taken_after_it_broke_off_and_is_not_whole(
    sizes: list[int], in_chunks: bool, cuts: set[int], takes: list[bool], end: int, is_dropped: bool
) -> None:
    raw, body = large(sizes, in_chunks=in_chunks)
    answer = new_parser()
    taken = receive(answer, raw[: min(end, len(raw) - 1)], cuts, itertools.cycle(takes))
    come = len(taken) + answer.body.unread_bytes
    if not is_dropped:
        with pytest.raises(ResponseError):
            answer.feed_eof()
    answer.close()
    taken += rest_of(answer)
    assert taken == body[:come]
    assert ((answer.state is COMPLETE), answer.keep_alive, answer.body.recv_buffer) == (False, False, None)


@given(samples(), st.data())
def test_a_truncated_answer_is_never_taken_for_a_whole_one(sample: Sample, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(sample.raw) - 1))
    for answer in readers(sample):
        if end:
            answer.feed(sample.raw[:end])
        assert answer.state is not COMPLETE
        if sample.ends_with_the_stream and answer.status:
            # It states no length: the end of the stream is its end, wherever it comes.
            answer.feed_eof()
            assert sample.body.startswith(answer.body.read_nowait())
            assert not answer.keep_alive
        else:
            with pytest.raises(ResponseError):
                answer.feed_eof()
            assert answer.state is not COMPLETE


@given(
    samples().filter(lambda sample: not sample.ends_with_the_stream),
    st.sampled_from(
        [b"X", b"\0", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nContent-Length: 1\r\n\r\nx", b"H"]
    ),
    st.sets(st.integers(1, 600)),
)
def test_what_comes_behind_an_answer_is_no_part_of_it_and_ends_the_connection(
    sample: Sample, garbage: bytes, cuts: set[int]
) -> None:
    for answer in readers(sample):
        body = b""
        for segment in split(sample.raw + garbage, cuts):
            answer.feed(segment)
            body += answer.body.read_nowait()
        assert_is(answer, sample._replace(is_keep_alive=False), body)


@given(st.binary(max_size=300), st.sets(st.integers(1, 300)))
def test_bytes_that_are_no_answer_raise_nothing_but_an_answer_error(noise: bytes, cuts: set[int]) -> None:
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        answer = new_parser()
        try:
            for segment in split(prefix + noise, cuts):
                answer.feed(segment)
            answer.feed_eof()
        except ResponseError as error:
            assert str(error).startswith("The upstream")  # noqa: PT017
            with pytest.raises(ResponseError):
                answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert answer.state is not COMPLETE


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2",
        b"HTTP/1.1 200 OK\r\nContent-Length: ",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b",
        b"HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b",
        b"HTTP/1.1 200 OK\r\nX: a\0b",
        b"HTTP/1.1 200 OK\r\nX\0: b",
        b"HTTP/1.1 200 OK\r\n: b",
        b"HTTP/1.1 200 OK\r\nX : b",
        b"HTTP/1.1 200 OK\r\nX",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 OK",
        b"HTTP/1.1 200 a\0b",
        b"HTTP/1.1 200 a\rb",
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 2",
        b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEADERS + 1) + b"Z: y",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD,
        b"HTTP/1.1 200 OK\r\n" + b"y" * (MAX_HEAD + 1) + b": z",
        b"HTTP/1.1 200 " + b"y" * (MAX_HEAD + 1),
    ],
    ids=lambda head: str(head[:80]),
)
def test_what_is_not_strict_is_refused_whole_and_byte_by_byte(head: bytes) -> None:
    for size in (len(head) + 4, 1 if len(head) < 1000 else 1000):
        answer = new_parser()
        with pytest.raises(ResponseError):
            _feed(answer, head + b"\r\n\r\n", size)
        assert not answer.status


def _feed(answer: ResponseParser, raw: bytes, size: int) -> None:
    for start in range(0, len(raw), size):
        answer.feed(raw[start : start + size])


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"y" * 100,
        b"\r\n" * 100,
    ],
    ids=["1xx", "a trailer", "trailers", "a chunk's extension", "line ends"],
)
def test_nothing_without_an_end_is_taken_in_beyond_the_bound(endless: bytes) -> None:
    answer = new_parser()
    answer.feed(endless)
    rest = endless[-6:] * 2000 if endless.startswith(b"HTTP/1.1 2") else endless * 20
    with pytest.raises(ResponseError):
        _feed(answer, rest * (2 * MAX_HEAD // len(rest) + 2), len(rest))


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("field", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
def test_an_answer_without_a_body_that_states_a_length_ends_with_its_head_and_its_connection(
    status: int, field: bytes
) -> None:
    answer = new_parser()
    answer.feed(b"HTTP/1.1 %d X\r\n%b\r\n\r\n" % (status, field))
    assert ((answer.state is COMPLETE), answer.keep_alive, answer.body.read_nowait()) == (True, False, b"")


def test_the_reason_of_an_informational_answer_is_not_that_of_the_answer() -> None:
    answer = new_parser()
    answer.feed(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")
    assert (answer.status, answer.reason, answer.headers) == (200, "", [])


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabGARBAGE",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_an_answer_that_has_ended_leaves_no_garbage(raw: bytes) -> None:
    gc.disable()
    try:
        answer = new_parser()
        try:
            answer.feed(raw)
        except ResponseError as error:
            error.__context__ = None
        gone = weakref.ref(answer)
        del answer
        assert gone() is None
    finally:
        gc.enable()
