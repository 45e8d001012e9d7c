"""Compressed content is decoded completely or not at all, within bounds."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.content_coding import MAX_RATIO, PIECE, ContentDecoder, UndecodableContent, content_coding
from tests.support.content_codings import ENCODERS, raw_deflate

TEXT = json.dumps([{"n": number, "name": "abc"} for number in range(20_000)]).encode()
CODINGS = pytest.mark.parametrize("coding", ENCODERS)


def decode(coding: str, encoded: bytes, size: int = 4096) -> bytes:
    """Decode in chunks of a size. Raises `UndecodableContent`, also for incomplete content."""
    decoder, decoded = ContentDecoder(coding), []
    for start in range(0, len(encoded), size):
        decoder.feed(encoded[start : start + size])
        while piece := decoder.next_piece():
            assert len(piece) <= 2 * PIECE
            decoded.append(piece)
    if not decoder.is_complete:
        raise UndecodableContent("incomplete")
    return b"".join(decoded)


@CODINGS
@pytest.mark.parametrize("size", [1, 7, 1000, 10**7])
def test_content_is_decoded_wherever_it_is_split(coding: str, size: int) -> None:
    assert decode(coding, ENCODERS[coding](TEXT), size) == TEXT


@CODINGS
@given(data=st.binary(max_size=2000), size=st.integers(1, 100))
def test_any_content_is_decoded(coding: str, data: bytes, size: int) -> None:
    assert decode(coding, ENCODERS[coding](data), size) == data


def test_deflate_is_also_decoded_without_its_header() -> None:
    assert decode("deflate", raw_deflate(TEXT)) == TEXT


def test_gzip_members_are_joined() -> None:
    assert decode("gzip", gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])) == TEXT
    with pytest.raises(UndecodableContent):
        decode("gzip", gzip.compress(b"") * 200)


@CODINGS
def test_content_that_is_cut_damaged_or_continued_is_not_decoded(coding: str) -> None:
    encoded = ENCODERS[coding](os.urandom(5000))
    for wrong in (encoded[:-1], encoded[: len(encoded) // 2], encoded + b"x", b"\xff" + encoded[1:], b"<html>"):
        with pytest.raises(UndecodableContent):
            decode(coding, wrong)


@CODINGS
def test_content_that_grows_too_much_is_not_decoded(coding: str) -> None:
    bomb = ENCODERS[coding](bytes(40_000_000))
    decoder = ContentDecoder(coding)
    decoder.feed(bomb)
    pieces: list[bytes] = []
    with pytest.raises(UndecodableContent):
        pieces.extend(iter(decoder.next_piece, b""))
    assert sum(map(len, pieces)) <= max(1024 * 1024, MAX_RATIO * len(bomb))


def test_an_unknown_coding_is_not_decoded() -> None:
    for coding in ("compress", "gzip, gzip", "\xe9", "a" * 1000):
        with pytest.raises(UndecodableContent):
            ContentDecoder(coding)


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        *(([], ""), (["identity"], ""), ([""], ""), (["GZIP"], "gzip"), ([" gzip , identity"], "gzip")),
        *((["gzip", "br"], "gzip, br"), (["gzip, gzip"], "gzip, gzip"), (["\xe9"], "\xe9")),
    ],
)
def test_the_coding_of_a_head_is_found(values: list[str], coding: str) -> None:
    fields = [(b"X", b"gzip"), *((b"Content-ENCODING", value.encode("latin-1")) for value in values)]
    assert content_coding(fields) == coding
