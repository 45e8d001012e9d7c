"""Streams of server-sent events, generated line by line."""

from __future__ import annotations

from hypothesis import strategies as st

LINE_END = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINE = st.sampled_from([b"data: {}", b"data:x", b"data", b"id: 7", b"event: message", b": ping", b"retry: 5", b""])
STREAM = st.lists(st.tuples(LINE, LINE_END), max_size=20).map(lambda lines: b"".join(a + b for a, b in lines))
