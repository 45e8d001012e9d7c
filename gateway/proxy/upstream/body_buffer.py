"""Received bytes of a response body that wait for their reader, copied as seldom as possible.

Bytes are held in one of three ways, in this order:

1. a borrowed slice of the bytes that one socket read returned, for the first large chunk;
2. a list of chunks;
3. the destination: a bytearray of the size of a large body (or HTTP chunk). The socket is read directly into its
   unfilled end, `recv_buffer`.

Does no I/O.
"""

from __future__ import annotations

from gateway.protocol.buffers import BufferSlice, Chunk, join_chunks

_COPY_LIMIT = 16 * 1024
"""Bytes up to which a chunk is copied, so that it does not keep alive everything it was received with."""


class BodyBuffer:
    """Holds the unread body bytes of one response; reused for the next one on the connection after `clear`."""

    def __init__(self) -> None:
        self.unread_bytes = 0
        self.recv_buffer: memoryview | None = None
        """Destination of the next body bytes; `None` unless a large body is being received directly."""
        self._chunks: list[Chunk] = []
        self._borrowed: BufferSlice | None = None
        self._destination = bytearray()
        self._destination_read = 0
        """Bytes of the destination that were already handed out."""

    def append(self, chunk: bytes) -> None:
        """Add a chunk."""
        if self._borrowed is not None:
            self._copy_borrowed()
        self._chunks.append(chunk)
        self.unread_bytes += len(chunk)

    def append_slice(self, data: bytes, start: int, end: int) -> None:
        """Add `data[start:end]`; a large slice is not copied unless it has to be."""
        size = end - start
        if size <= _COPY_LIMIT or self._chunks or self._borrowed is not None:
            if self._borrowed is not None:
                self._copy_borrowed()
            self._chunks.append(data[start:end])
        else:
            self._borrowed = data, start, end
        self.unread_bytes += size

    def receive_directly(self, size: int, first: memoryview) -> None:
        """Allocate `size` bytes, begin them with `first`, and let `recv_buffer` be the rest."""
        self._destination, self._destination_read = bytearray(size), 0
        self._destination[: len(first)] = first
        self.recv_buffer = memoryview(self._destination)[len(first) :]
        self.unread_bytes += len(first)

    def advance(self, size: int) -> None:
        """Account for `size` bytes that were received into `recv_buffer`."""
        assert self.recv_buffer is not None
        self.unread_bytes += size
        if size < len(self.recv_buffer):
            self.recv_buffer = self.recv_buffer[size:]
            return
        self.recv_buffer = None
        # Unless some of it was read, this is the whole bytearray, which needs no join.
        read, destination = self._destination_read, self._destination
        self._chunks.append(memoryview(destination)[read:] if read else destination)
        self._destination = bytearray()

    def end_direct_receive(self) -> None:
        """Receive no more directly; what has been received stays readable."""
        self._split_destination()
        self.recv_buffer = None

    def read_nowait(self) -> Chunk:
        """Return unread bytes; empty if there are none. Bytes that were received directly are not joined to others."""
        self._split_destination()
        self._copy_borrowed()
        chunks, self._chunks = self._chunks, []
        if len(chunks) > 1 and any(type(chunk) is not bytes for chunk in chunks):
            self._chunks = chunks[1:]
            del chunks[1:]
        taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.unread_bytes -= len(taken)
        return taken

    def view(self) -> BufferSlice:
        """Return all unread bytes as (buffer, start, end) without consuming them; empty if they are not contiguous."""
        if self._borrowed is not None and not self._chunks and self.recv_buffer is None:
            return self._borrowed
        self._copy_borrowed()
        if self.recv_buffer is not None:
            if self._chunks or self._destination_read:
                return b"", 0, 0
            return self._destination, 0, len(self._destination) - len(self.recv_buffer)
        if len(self._chunks) != 1 or isinstance(self._chunks[0], memoryview):
            self._chunks = [join_chunks(self._chunks)]
        joined = self._chunks[0]
        assert not isinstance(joined, memoryview)
        return joined, 0, len(joined)

    def clear(self) -> None:
        """Drop all unread bytes of a complete response."""
        self._chunks = []
        self._borrowed = None
        self.unread_bytes = 0

    def _split_destination(self) -> None:
        """Move what was received directly so far to the chunks, as a view."""
        if self.recv_buffer is None:
            return
        end = len(self._destination) - len(self.recv_buffer)
        if end > self._destination_read:
            self._chunks.append(memoryview(self._destination)[self._destination_read : end])
            self._destination_read = end

    def _copy_borrowed(self) -> None:
        """Move the borrowed slice to the chunks."""
        if self._borrowed is not None:
            (data, start, end), self._borrowed = self._borrowed, None
            self._chunks.insert(0, data[start:end])
