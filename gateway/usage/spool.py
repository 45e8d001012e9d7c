"""Usage events on disk, for as long as Redis does not take them.

Rules:
- `append` returns when the kernel has the record: it survives SIGKILL of this process at any later moment.
  It is on the disk itself at most `SYNC_SECONDS` later (`sync`, called by the stream), which is what Redis
  promises with `appendfsync everysec`. A failed or partial write is cut off again and raises `SpoolFull`.
- A file belongs to the process that holds its lock (`flock`, which ends with the process however that
  ends). Files without a holder are adopted by whoever drains first, so that nothing waits for a process
  that is gone.
- A file is removed only after every record in it was acknowledged. Records are sent in their order, under the
  lane and batch they were written with, so that sending one twice adds it once.
- The folder never holds more than `limit_bytes` of this process's records: what is more raises `SpoolFull`.
- A torn tail was never acknowledged to anyone and is skipped, with a warning. A file that is damaged before
  its end is kept as `*.damaged`, with an error.

Writing is done on the caller's thread: it goes to the page cache and takes microseconds, and only while
Redis is away.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import itertools
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.usage.observer import UsageObserver
from gateway.usage.spool_file import SpoolContents, SpoolRecord, decode, encode

LIMIT_BYTES = 256 * 1024 * 1024
"""About a million events; at 1,000 calls a second, a quarter of an hour without Redis."""
FILE_BYTES = 8 * 1024 * 1024
"""A file that is longer is closed and the next begun, so that draining reads little at a time."""
SYNC_SECONDS = 1.0

_SUFFIX = ".spool"
log = logging.getLogger(__name__)


class SpoolFull(Exception):
    """The event was not written: the spool's bound is reached, or the disk takes no more."""


@dataclass(slots=True)
class _File:
    path: Path
    descriptor: int
    size: int = 0
    sent: int = 0
    """Records at its beginning that were acknowledged."""
    contents: SpoolContents | None = None


class Spool:
    """The spool folder of one machine, as one process uses it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limit_bytes: int = LIMIT_BYTES,
        file_bytes: int = FILE_BYTES,
        observer: UsageObserver | None = None,
    ) -> None:
        """Use the folder `path`, made with mode 0700 if it is missing. Raises `OSError` where it cannot
        be.
        """
        self.path = Path(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._limit = limit_bytes
        self._file_bytes = file_bytes
        self._observer = observer or UsageObserver()
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._numbers = itertools.count()
        self._current: _File | None = None
        self._waiting: list[_File] = []
        self._unsynced = False
        self._draining = asyncio.Lock()

    @property
    def size(self) -> int:
        """Bytes of this process's files that are not acknowledged as a whole."""
        return sum(file.size for file in self._files())

    @property
    def is_empty(self) -> bool:
        """Whether this process has nothing left to send."""
        return not self._waiting and self._current is None

    def append(self, record: SpoolRecord) -> None:
        """Write one record. When it returns, the record outlives this process. Raises `SpoolFull`."""
        data = encode(record)
        if self.size + len(data) > self._limit:
            raise SpoolFull(f"the spool in {self.path} has reached its bound of {self._limit} bytes")
        try:
            file = self._writable()
            self._write(file, data)
        except OSError as error:
            raise SpoolFull(f"the spool in {self.path} cannot be written: {error.strerror}") from error
        self._unsynced = True
        self._observer.spooled(record.count)
        self._observer.spool_size(self.size)

    async def sync(self) -> None:
        """Have the disk itself take what was written since the last call."""
        if not self._unsynced:
            return
        self._unsynced = False
        descriptors = [os.dup(file.descriptor) for file in self._files()]
        try:
            for descriptor in descriptors:
                await asyncio.to_thread(os.fdatasync, descriptor)
        except OSError as error:
            log.error("usage spool: the disk refused to sync: %s", error.strerror)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    async def drain(self, send: Callable[[SpoolRecord], Awaitable[None]]) -> int:
        """Send every record, those of dead processes too, and remove each file when all of it is
        acknowledged.

        Returns the number of events sent. What `send` raises ends the drain; the next one goes on from there.
        """
        async with self._draining:
            if self._current is not None:
                self._waiting.append(self._current)
                self._current = None
            self._waiting += await asyncio.to_thread(self._adopt)
            sent = 0
            while self._waiting:
                file = self._waiting[0]
                if contents := await self._read(file):
                    sent += await self._drain_file(file, contents, send)
                    self._finish(file, contents)
                del self._waiting[0]
                os.close(file.descriptor)
                self._observer.spool_size(self.size)
            return sent

    def close(self) -> None:
        """Let go of every file. What is left in them is adopted by the next process that drains."""
        for file in self._files():
            os.close(file.descriptor)
        self._current = None
        self._waiting = []

    def _files(self) -> list[_File]:
        return [*self._waiting, self._current] if self._current else list(self._waiting)

    def _writable(self) -> _File:
        if self._current is not None and self._current.size >= self._file_bytes:
            self._waiting.append(self._current)
            self._current = None
        while self._current is None:
            path = self.path / f"{self._name}-{next(self._numbers):06d}{_SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            # Another process may adopt and remove the empty file before it is locked: then the next name.
            if (descriptor := _lock(path, flags)) is not None:
                self._current = _File(path, descriptor)
        return self._current

    def _write(self, file: _File, data: bytes) -> None:
        try:
            written = os.write(file.descriptor, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(file.descriptor, file.size)
            raise
        file.size += len(data)

    def _adopt(self) -> list[_File]:
        """Lock the files that no living process holds."""
        adopted = []
        for path in sorted(self.path.glob(f"*{_SUFFIX}")):
            try:
                descriptor = _lock(path, os.O_RDONLY)
                if descriptor is not None:
                    adopted.append(_File(path, descriptor, size=os.fstat(descriptor).st_size))
            except OSError as error:
                log.error("usage spool: cannot open %s: %s", path, error.strerror)
        return adopted

    async def _read(self, file: _File) -> SpoolContents | None:
        """The file's records; `None` where it cannot be read, it is left for a later drain."""
        if file.contents is None:
            try:
                file.contents = decode(await asyncio.to_thread(file.path.read_bytes))
            except OSError as error:
                log.error("usage spool: cannot read %s: %s", file.path, error.strerror)
        return file.contents

    async def _drain_file(
        self, file: _File, contents: SpoolContents, send: Callable[[SpoolRecord], Awaitable[None]]
    ) -> int:
        sent = 0
        for record in contents.records[file.sent :]:
            await send(record)
            file.sent += 1
            sent += record.count
            self._observer.resent(record.count)
        return sent

    def _finish(self, file: _File, contents: SpoolContents) -> None:
        """Remove a file whose records are all acknowledged, or put it aside where some could not be read."""
        torn, damaged = contents.torn, contents.damaged
        try:
            if damaged:
                file.path.rename(file.path.with_suffix(".damaged"))
            else:
                file.path.unlink(missing_ok=True)
        except OSError as error:
            # It will be adopted and sent once more, which adds nothing.
            log.error("usage spool: cannot remove %s: %s", file.path, error.strerror)
        if damaged:
            log.error("usage spool: %d unreadable bytes amid the records of %s, kept", damaged, file.path)
            self._observer.spool_damaged(damaged)
        if torn:
            log.warning("usage spool: skipped a torn tail of %d bytes in %s", torn, file.path)
            self._observer.spool_torn(torn)


def _lock(path: Path, flags: int) -> int | None:
    """Open a file and hold it; `None` where another process does, or has removed it meanwhile."""
    try:
        descriptor = os.open(path, flags, 0o600)
    except (FileNotFoundError, FileExistsError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None
