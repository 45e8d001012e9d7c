"""Reads the body of a POST within limits of type, size and time."""

from __future__ import annotations

import asyncio
import functools

from aiohttp import StreamReader, web

from gateway.proxy.admission import rejections
from gateway.proxy.admission.head import RequestHead
from gateway.proxy.admission.rejections import Deny, RequestRejected, invalid
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import ResponseWriter

MAX_KEYLESS_BYTES = 64 * 1024
"""Maximum bytes of a body without a valid key; an `initialize` has a few hundred."""


class BodyReader:
    """Reads request bodies."""

    def __init__(self, *, max_bytes: int, timeout: float) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout

    async def read(
        self, request: web.BaseRequest, writer: ResponseWriter, head: RequestHead, key_rejection: Deny | None
    ) -> bytes:
        """Return the body. Raises `RequestRejected`.

        `key_rejection` is the reason why the request has no valid key; `None` if it has one.
        """
        self._check_head(request.content_length or 0, head, key_rejection)
        limit = self._max_bytes if key_rejection is None else min(self._max_bytes, MAX_KEYLESS_BYTES)
        if head.expects_continue and writer.context.is_http_1_1:
            await writer.send_continue()
        content = request.content
        try:
            writer.context.read_from(content)
            # The framing may have seen the end of a body that aiohttp has not parsed, because too much of it is unread.
            body = content.read_nowait() if content.is_eof() else await self._receive(content, limit)
        except FramingError as error:
            raise RequestRejected(invalid(str(error)), close_connection=True) from None
        if len(body) > limit:
            raise RequestRejected(key_rejection or rejections.TOO_LARGE, close_connection=True)
        return body

    def _check_head(self, length: int, head: RequestHead, key_rejection: Deny | None) -> None:
        if head.fields.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RequestRejected(rejections.ENCODED_BODY)
        if not _is_json(head.fields.get(b"content-type", b"")):
            raise RequestRejected(rejections.NOT_JSON)
        if length > self._max_bytes:
            raise RequestRejected(rejections.TOO_LARGE)
        if key_rejection is not None and (length > MAX_KEYLESS_BYTES or head.expects_continue):
            raise RequestRejected(key_rejection)

    async def _receive(self, content: StreamReader, limit: int) -> bytes:
        """Return the body, up to one chunk more than the limit. Raises `RequestRejected` and `FramingError`."""
        chunks = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout):
                while size <= limit and not content.at_eof():
                    chunks.append(await content.readany())
                    size += len(chunks[-1])
        except TimeoutError:
            raise RequestRejected(rejections.TOO_SLOW, close_connection=True) from None
        return b"".join(chunks)


@functools.lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    """Return True for JSON in UTF-8; parameters other than `charset` have no meaning (RFC 8259, section 11)."""
    media_type, *parameters = content_type.lower().split(b";")
    if media_type.strip() != b"application/json":
        return False
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            return False
    return True
