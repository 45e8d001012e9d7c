"""Splits the bytes of a connection into requests, and passes on only bytes whose framing was checked.

Does no I/O.
"""

from __future__ import annotations

from gateway.protocol.head_template import HeadTemplate
from gateway.proxy.downstream.framing import RequestFraming

_MAX_PIPELINED = 64 * 1024
"""Bytes of further requests that are buffered while one is served."""
_PIPELINED_CHUNK = 4 * 1024
"""Bytes of further requests that are split at a time."""
_MAX_DISCARDED = 256 * 1024
"""Bytes that are discarded after a rejected request; beyond, the socket is not read."""


class RequestSplitter:
    """Passes on the bytes of one request at a time, and buffers those of the next ones."""

    __slots__ = ("_discarded", "_framing", "pipelined")

    def __init__(self) -> None:
        self._framing = RequestFraming()
        self._discarded = 0
        self.pipelined = bytearray()
        """Bytes of further requests, not checked yet."""

    @property
    def head_template(self) -> HeadTemplate | None:
        """Template of the last head that was passed on; `None` if it states no length or is too large."""
        return self._framing.head

    @property
    def is_chunked(self) -> bool:
        """True if the body of the last request is chunked."""
        return self._framing.is_chunked

    @property
    def is_between_requests(self) -> bool:
        """True if the last request has arrived completely."""
        return self._framing.is_between_requests

    @property
    def is_full(self) -> bool:
        """True if no more should be received until the next request is passed on."""
        return len(self.pipelined) > _MAX_PIPELINED

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Return the checked bytes of the current request, and how many bytes of `data` belong to it.

        A head is returned once it is complete, and so is a line with the size of a chunk. Raises `FramingError`.
        """
        framing = self._framing
        before = framing.incomplete
        size = framing.feed(data)
        checked = data if size == len(data) else data[:size]
        if before:
            checked = before + checked
        if framing.incomplete:
            checked = checked[: -len(framing.incomplete)]
        return checked, size

    def peek_pipelined(self) -> bytes:
        """Return the next buffered bytes; `drop_pipelined` removes them."""
        return bytes(self.pipelined[:_PIPELINED_CHUNK])

    def drop_pipelined(self, size: int) -> None:
        """Remove buffered bytes that were passed on."""
        del self.pipelined[:size]

    def discard(self, size: int) -> bool:
        """Count bytes that are dropped; return True if the client has sent too many of them."""
        self._discarded += size
        return self._discarded > _MAX_DISCARDED
