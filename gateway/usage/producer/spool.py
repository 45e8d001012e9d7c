"""Usage events on disk, until Redis has them for good.

Rules:
- `append` returns when the kernel has the record: it survives SIGKILL of this process at any later moment. A
  failed or partial write is cut off again and raises `SpoolFull`.
- Every batch is appended in the step in which it is sent, before an acknowledgement is looked at. That is not the end
  of it: with `appendfsync everysec` Redis acknowledges what it writes to its own file up to two seconds later, and a
  Redis that is killed meanwhile, or is replaced by its replica, has lost it. Only what Redis still knows `SAFE_SECONDS`
  later, and has on its own disk by then, is removed here; what it has forgotten is sent again (`settle`).
- Batches are sent again in their order, under the lane and number they had, so that sending one twice adds it once.
- Folders of processes that are gone are adopted by whoever settles first.
- The files of this process never hold more than `limit_bytes`: what is more raises `SpoolFull`.
- A torn tail was never acknowledged to anyone and is skipped, with a warning. A file that is damaged before its
  end is kept as `*.damaged`, with an error.

Writing is done on the caller's thread: it goes to the page cache and takes microseconds. The disk itself gets it
by `sync`, which the stream calls every second while Redis is away, as Redis does with `everysec`. Otherwise
files are mostly gone before a disk sees them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer import spool_folder
from gateway.usage.producer.spool_file import SpoolRecord, decode, encode
from gateway.usage.producer.spool_folder import SpoolFolder

LIMIT_BYTES = 256 * 1024 * 1024
"""About a million events; at 1,000 calls a second, a quarter of an hour without Redis."""
FILE_BYTES = 8 * 1024 * 1024
"""A file that is longer is closed and the next begun, so that settling reads little at a time."""
SAFE_SECONDS = 5.0
"""From the end of a file to its removal: two seconds in which its last batch may be answered, and three in which
Redis writes it to its own file (it puts that off by two at most)."""
UNSURE_SECONDS = 60.0
"""From the end of a file to its removal where Redis never has it on its disk (`appendfsync no`), but knows it."""
SYNC_SECONDS = 1.0

log = logging.getLogger(__name__)


class SpoolFull(Exception):
    """The event was not written: the spool's bound is reached, or the disk takes no more."""


class Receiver(Protocol):
    """Where spooled batches go."""

    async def arrived(self, lanes: Sequence[str]) -> list[int]:
        """The number of the last batch that came through each lane, 0 where none is known."""

    async def is_durable(self) -> bool:
        """Whether Redis has on its own disk all that it has acknowledged before, as far as it can tell."""

    async def send(self, record: SpoolRecord, missing: int) -> None:
        """Add a batch; return when that is acknowledged. Then so many events of its process are still missing."""

    async def finished(self, process: str) -> None:
        """Nothing of a process that is gone is missing any more."""


@dataclass(slots=True)
class _File:
    path: Path
    folder: SpoolFolder
    size: int
    descriptor: int | None = None
    """Of one that this process wrote, for writing and syncing."""
    lanes: dict[str, int] | None = None
    """The last batch of each lane in it; `None` while it has not been read."""
    torn: int = 0
    damaged: int = 0
    missing: int = 0
    """Events in it that Redis has not acknowledged, as far as is known before it was read."""
    is_doubtful: bool = True
    """Redis may never have had some of it."""
    quiet_since: float = 0.0
    """When it was last written to or sent from (monotonic)."""

    def last_of(self, lane: str) -> int:
        """The number of a lane's last batch in it; 0 where there is none, or it has not been read."""
        return self.lanes.get(lane, 0) if self.lanes is not None else 0


class _Written(_File):
    """A file that this process writes."""

    descriptor: int
    lanes: dict[str, int]

    def __init__(self, path: Path, folder: SpoolFolder, descriptor: int) -> None:
        super().__init__(path, folder, size=0, descriptor=descriptor, lanes={}, is_doubtful=False)


class Spool:
    """The spool folder of one machine, as one process uses it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limit_bytes: int = LIMIT_BYTES,
        file_bytes: int = FILE_BYTES,
        metrics: UsageMetricsSink | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use the folder `path`, made with mode 0700 if missing. Raises `OSError` where it cannot be."""
        self.path = Path(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._limit = limit_bytes
        self._file_bytes = file_bytes
        self._metrics = metrics or UsageMetricsSink()
        self._monotonic = monotonic
        self.name = spool_folder.new_name()
        """This process, as no other is named: its folder here."""
        self._numbers = itertools.count()
        self._own: SpoolFolder | None = None
        self._folders: list[SpoolFolder] = []
        self._current: _Written | None = None
        self._closed: list[_File] = []
        self._size = 0
        self._unsynced = False
        self._settling = asyncio.Lock()

    @property
    def size(self) -> int:
        """Bytes of the files of this process, those that it adopted included."""
        return self._size

    @property
    def doubtful_size(self) -> int:
        """Bytes of those files from which Redis may lack something."""
        return sum(file.size for file in self._files() if file.is_doubtful)

    @property
    def doubtful_events(self) -> int:
        """Events of this process that only the spool is known to have."""
        return sum(file.missing for file in self._files() if file.is_doubtful and file.folder is self._own)

    @property
    def is_empty(self) -> bool:
        """Whether this process has nothing on disk."""
        return not self._files()

    def append(self, record: SpoolRecord) -> None:
        """Write one record. When it returns, the record outlives this process. Raises `SpoolFull`."""
        data = encode(record)
        if self._size + len(data) > self._limit:
            raise SpoolFull(f"the spool in {self.path} has reached its bound of {self._limit} bytes")
        try:
            file = self._writable()
            spool_folder.write_whole(file.descriptor, data, file.size)
        except OSError as error:
            raise SpoolFull(f"the spool in {self.path} cannot be written: {error.strerror}") from error
        file.size += len(data)
        self._size += len(data)
        file.lanes[record.lane] = record.number
        file.missing += record.count
        self._unsynced = True

    def acknowledged(self, record: SpoolRecord) -> None:
        """Redis acknowledged a record, the last of its lane."""
        lane, number = record.lane, record.number
        file: _File | None = self._current
        if file is None or file.last_of(lane) != number:
            file = next((file for file in reversed(self._closed) if file.last_of(lane) == number), None)
        if file is not None:
            file.missing -= record.count

    def doubt(self) -> None:
        """Have the next `settle` look at everything: Redis did not take, or has forgotten, something."""
        for file in self._files():
            file.is_doubtful = True
        self._metrics.spool_size(self.doubtful_size)

    async def sync(self) -> None:
        """Have the disk itself take what was written since the last call."""
        if not self._unsynced:
            return
        self._unsynced = False
        descriptors = [os.dup(file.descriptor) for file in self._files() if file.descriptor is not None]
        try:
            for descriptor in descriptors:
                await asyncio.to_thread(os.fdatasync, descriptor)
        except OSError as error:
            log.error("usage spool: the disk refused to sync: %s", error.strerror)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    async def settle(self, receiver: Receiver) -> int:
        """Send what Redis does not have, and remove what it has for good. Returns the events sent.

        Looks at doubtful files, those of dead processes among them, and at those that were quiet for
        `SAFE_SECONDS`. What the receiver raises ends it; call it again then.
        """
        async with self._settling:
            self._close_current()
            self._adopt()
            sent = 0
            stuck: set[Path] = set()
            arrived: list[_File] = []
            for file in list(self._closed):
                is_due = self._monotonic() >= file.quiet_since + SAFE_SECONDS
                # What follows a file that cannot be read waits for it: the order of a lane is its numbers'.
                if file.folder.path in stuck or not (file.is_doubtful or is_due):
                    continue
                again = await self._send_missing(file, receiver)
                sent += again
                if file.is_doubtful:
                    stuck.add(file.folder.path)
                elif is_due and not again:
                    arrived.append(file)
                self._metrics.spool_size(self.doubtful_size)
            is_durable = bool(arrived) and await receiver.is_durable()
            for file in arrived:
                if is_durable or self._monotonic() >= file.quiet_since + UNSURE_SECONDS:
                    self._remove(file)
            await self._release_empty(receiver)
            return sent

    def close(self) -> None:
        """Let go of every file. What is left is adopted by the next process that settles."""
        for file in self._files():
            if file.descriptor is not None:
                os.close(file.descriptor)
        self._closed, self._current, self._size = [], None, 0
        for folder in self._folders:
            folder.release()
        self._folders, self._own = [], None

    def _missing(self, folder: SpoolFolder) -> int:
        return sum(file.missing for file in self._files() if file.folder is folder)

    def _files(self) -> list[_File]:
        return [*self._closed, self._current] if self._current else self._closed

    def _writable(self) -> _Written:
        if self._current is not None and self._current.size >= self._file_bytes:
            self._close_current()
        if self._current is None:
            if self._own is None:
                self._own = spool_folder.create(self.path / self.name)
                self._folders.append(self._own)
            path = self._own.path / f"{next(self._numbers):08d}{spool_folder.SUFFIX}"
            self._current = _Written(path, self._own, spool_folder.create_file(path))
        return self._current

    def _close_current(self) -> None:
        if self._current is not None:
            self._current.quiet_since = self._monotonic()
            self._closed.append(self._current)
            self._current = None

    def _adopt(self) -> None:
        try:
            folders = spool_folder.adopt(self.path)
        except OSError as error:
            log.error("usage spool: cannot read %s: %s", self.path, error.strerror)
            return
        for folder in folders:
            self._folders.append(folder)
            for path in folder.files():
                # A moment ago its process may still have written.
                self._closed.append(_File(path, folder, path.stat().st_size, quiet_since=self._monotonic()))
                self._size += self._closed[-1].size

    async def _send_missing(self, file: _File, receiver: Receiver) -> int:
        """Send what Redis lacks of a file, in its order; then it is doubtful no longer."""
        records = await self._read(file) if file.lanes is None else None
        if file.lanes is None:
            return 0
        lanes = list(file.lanes)
        arrived = dict(zip(lanes, await receiver.arrived(lanes), strict=True))
        sent = 0
        if any(arrived[lane] < number for lane, number in file.lanes.items()):
            if records is None and (records := await self._read(file)) is None:
                return 0
            lacking = [record for record in records if record.number > arrived.get(record.lane, 0)]
            file.missing = sum(record.count for record in lacking)
            for record in lacking:
                await receiver.send(record, self._missing(file.folder) - record.count)
                file.missing -= record.count
                sent += record.count
                self._metrics.resent(record.count)
            file.quiet_since = self._monotonic()
        file.missing = 0
        file.is_doubtful = False
        return sent

    async def _read(self, file: _File) -> tuple[SpoolRecord, ...] | None:
        """The records of a file; `None` where it cannot be read now, which leaves it doubtful."""
        try:
            contents = decode(await asyncio.to_thread(file.path.read_bytes))
        except OSError as error:
            file.is_doubtful = True
            log.error("usage spool: cannot read %s: %s", file.path, error.strerror)
            return None
        file.torn, file.damaged = contents.torn, contents.damaged
        file.lanes = {record.lane: record.number for record in contents.records}
        return contents.records

    def _remove(self, file: _File) -> None:
        """Remove a file that Redis has for good, or put it aside where some of it could not be read."""
        try:
            if file.damaged:
                file.path.rename(self.path / f"{file.folder.path.name}-{file.path.stem}.damaged")
                log.error("usage spool: %d bytes amid the records of %s are damaged", file.damaged, file.path)
                self._metrics.spool_damaged(file.damaged)
            else:
                file.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("usage spool: cannot remove %s: %s", file.path, error.strerror)
            return
        if file.torn:
            log.warning("usage spool: skipped a torn tail of %d bytes in %s", file.torn, file.path)
            self._metrics.spool_torn(file.torn)
        if file.descriptor is not None:
            os.close(file.descriptor)
        self._closed.remove(file)
        self._size -= file.size

    async def _release_empty(self, receiver: Receiver) -> None:
        """Let go of adopted folders that are done with."""
        used = {file.folder.path for file in self._closed}
        for folder in [folder for folder in self._folders if folder is not self._own and folder.path not in used]:
            await receiver.finished(folder.path.name)
            folder.release()
            self._folders.remove(folder)
