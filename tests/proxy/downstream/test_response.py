"""A response has the same bytes whether it is serialized whole, as on the fast path, or sent by a `ResponseWriter`."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.downstream.request_context import RequestContext, ResponseWriter
from gateway.proxy.downstream.response import NO_BODY, Response, ResponseHead, serialize_head, serialize_response

KEEP_ALIVE, CLOSE = b"", b"Connection: close\r\n"
VALUES = st.lists(st.integers(32, 255), max_size=20).map(bytes)
# With a `Date`, so that the bytes do not depend on the time.
HEADS = st.builds(
    lambda status, reason, values: serialize_head(
        status, reason, [(b"Date", b"today"), *((b"X-%d" % number, value) for number, value in enumerate(values))]
    ),
    st.integers(200, 599),
    st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=10),
    st.lists(VALUES, max_size=4),
)
# Bodies up to 64 KiB are joined with their head; larger ones are not copied.
BODIES = st.binary(max_size=100) | st.sampled_from([b"x" * 65_530, b"x" * 65_536, b"x" * 65_537, b"x" * 70_000])


def sent(response: Response, connection_field: bytes, *, as_stream: bool) -> bytes:
    """Return the bytes that a `ResponseWriter` sends on a connection that is kept alive or closed."""
    written = bytearray()

    async def write(data: bytes) -> None:
        written.extend(data)

    async def drain() -> None:
        pass

    content = SimpleNamespace(is_eof=lambda: True)
    request = SimpleNamespace(method="POST", content=content, writer=SimpleNamespace(write=write, drain=drain))
    context = RequestContext(cast(Any, SimpleNamespace(is_stopping=connection_field == CLOSE)), None, None)
    context.is_received = context.allows_keep_alive = True
    writer = ResponseWriter(cast(Any, request), context)

    async def send() -> None:
        if as_stream:
            writer.begin(response.head, None if response.chunked else len(response.body))
            await writer.end(response.body)
        else:
            await writer.send(response)

    asyncio.run(send())
    return bytes(written)


@given(HEADS, BODIES, st.booleans(), st.sampled_from([KEEP_ALIVE, CLOSE]))
def test_a_whole_response_is_sent_as_it_is_serialized(
    head: ResponseHead, body: bytes, is_chunked: bool, connection_field: bytes
) -> None:
    response = Response(head=head, body=body, chunked=is_chunked and body != b"" and head.status not in NO_BODY)
    expected = b"".join(serialize_response(response, connection_field))
    assert sent(response, connection_field, as_stream=False) == expected
    if head.status not in NO_BODY:
        assert sent(response, connection_field, as_stream=True) == expected
