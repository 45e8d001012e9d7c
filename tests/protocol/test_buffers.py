"""Pieces are joined to what they were, and copied only where they have to be."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.buffers import Chunk, join_chunks, slice_view, underlying_buffer


@given(st.lists(st.binary(max_size=20).flatmap(lambda raw: st.sampled_from([raw, bytearray(raw), memoryview(raw)]))))
def test_pieces_are_joined_in_order(pieces: list[Chunk]) -> None:
    assert join_chunks(pieces) == b"".join(pieces)


@given(st.binary(min_size=2, max_size=50), st.sets(st.integers(1, 49)))
def test_the_views_of_a_whole_buffer_are_that_buffer(raw: bytes, cuts: set[int]) -> None:
    buffer = bytearray(raw)
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    views: list[Chunk] = [memoryview(buffer)[a:b] for a, b in itertools.pairwise(edges)]
    if len(views) > 1:
        assert join_chunks(views) is buffer
        assert join_chunks(views[1:]) == raw[edges[1] :]
        assert join_chunks([*views, b"x"]) == raw + b"x"


@given(st.binary(max_size=50), st.integers(0, 50), st.integers(0, 50), st.sampled_from([bytes, bytearray]))
def test_a_piece_is_found_in_its_place(raw: bytes, start: int, end: int, kind: type[bytes] | type[bytearray]) -> None:
    whole = kind(raw)
    pieces: list[Chunk] = [
        whole,
        memoryview(whole)[start:end],
        memoryview(whole)[start:end][1:],
        memoryview(whole)[::2],
    ]
    for piece in pieces:
        source, at, behind = underlying_buffer(piece)
        assert source[at:behind] == bytes(piece)


def test_a_view_of_a_buffer_is_not_copied_to_be_searched() -> None:
    buffer = bytearray(b"abcdef")
    source, start, end = underlying_buffer(memoryview(buffer)[2:5])
    assert source is buffer
    assert (start, end) == (2, 5)


def test_a_part_is_a_view_and_the_whole_is_itself() -> None:
    whole = b"abcdef"
    assert slice_view(whole, 0, 6) is whole
    view = slice_view(whole, 2, 5)
    assert isinstance(view, memoryview)
    assert (view.obj, bytes(view)) == (whole, b"cde")
