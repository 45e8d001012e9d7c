"""Chunks are joined and searched with as few copies as possible."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.buffers import Chunk, join_chunks, slice_view, underlying_buffer


@given(st.lists(st.binary(max_size=20).flatmap(lambda raw: st.sampled_from([raw, bytearray(raw), memoryview(raw)]))))
def test_chunks_are_joined_in_order(chunks: list[Chunk]) -> None:
    assert join_chunks(chunks) == b"".join(chunks)


@given(st.binary(min_size=2, max_size=50), st.sets(st.integers(1, 49)))
def test_joining_the_views_of_a_whole_buffer_returns_that_buffer(raw: bytes, cuts: set[int]) -> None:
    buffer = bytearray(raw)
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    views: list[Chunk] = [memoryview(buffer)[a:b] for a, b in itertools.pairwise(edges)]
    if len(views) > 1:
        assert join_chunks(views) is buffer
        assert join_chunks(views[1:]) == raw[edges[1] :]
        assert join_chunks([*views, b"x"]) == raw + b"x"


@given(st.binary(max_size=50), st.integers(0, 50), st.integers(0, 50), st.sampled_from([bytes, bytearray]))
def test_a_chunk_is_a_slice_of_its_underlying_buffer(
    raw: bytes, start: int, end: int, buffer_type: type[bytes] | type[bytearray]
) -> None:
    whole = buffer_type(raw)
    chunks: list[Chunk] = [
        whole,
        memoryview(whole)[start:end],
        memoryview(whole)[start:end][1:],
        memoryview(whole)[::2],
    ]
    for chunk in chunks:
        buffer, chunk_start, chunk_end = underlying_buffer(chunk)
        assert buffer[chunk_start:chunk_end] == bytes(chunk)


def test_the_underlying_buffer_of_a_view_is_not_a_copy() -> None:
    buffer = bytearray(b"abcdef")
    source, start, end = underlying_buffer(memoryview(buffer)[2:5])
    assert source is buffer
    assert (start, end) == (2, 5)


def test_a_slice_is_a_view_unless_it_is_the_whole_buffer() -> None:
    whole = b"abcdef"
    assert slice_view(whole, 0, 6) is whole
    view = slice_view(whole, 2, 5)
    assert isinstance(view, memoryview)
    assert (view.obj, bytes(view)) == (whole, b"cde")
