"""The spool: usage events on disk, until Redis has them on its own disk.

Rules:
- `append` returns when the kernel has the record: it survives SIGKILL of this process. A failed or partial write is
  truncated and raises `SpoolFull`.
- Every batch is appended in the step in which it is sent, before Redis replies. An acknowledgement does not remove it:
  with `appendfsync everysec` Redis acknowledges up to two seconds before it writes its file, and may lose that in a
  crash or to a replica. A replay (`spool_replay`) removes what Redis still knows after `CONFIRM_SECONDS`, and sends
  again what it has lost.
- The files of this process never exceed `limit_bytes`: further events raise `SpoolFull`.

Writing happens on the caller's thread: it goes to the page cache and takes microseconds. `sync` flushes to the disk;
`replay_task` calls it every second while Redis is unavailable, as Redis does with `everysec`. Otherwise most files are
removed before they reach the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer import spool_folder
from gateway.usage.producer.spool_files import FILE_BYTES, SpoolFile, SpoolFiles
from gateway.usage.producer.spool_format import SpoolRecord, encode
from gateway.usage.producer.spool_replay import ReplayTarget, SpoolReplay

LIMIT_BYTES = 256 * 1024 * 1024
"""About a million events: a quarter of an hour without Redis at 1,000 calls a second."""
SYNC_SECONDS = 1.0

log = logging.getLogger(__name__)


class SpoolFull(Exception):
    """The event was not written: the spool has reached its bound, or the write failed."""


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
        """Use the folder `path`, created with mode 0700 if missing. Raises `OSError`."""
        self.path = Path(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = spool_folder.new_name()
        """Unique name of this process: its folder in the spool."""
        self._limit = limit_bytes
        self._metrics = metrics or UsageMetricsSink()
        self._files = SpoolFiles(self.path, self.name, file_bytes, monotonic)
        self._replay = SpoolReplay(self._files, self._metrics, monotonic)
        self._replay_lock = asyncio.Lock()
        self._needs_sync = False

    @property
    def size(self) -> int:
        """Bytes of the files of this process, adopted ones included."""
        return self._files.size

    @property
    def unconfirmed_size(self) -> int:
        """Bytes of the files of which Redis may lack something."""
        return self._files.unconfirmed_size

    @property
    def unsent_events(self) -> int:
        """Events of this process that only the spool is known to have."""
        return self._files.unsent_events

    @property
    def is_empty(self) -> bool:
        """True if this process has nothing on disk."""
        return not self._files.all()

    def append(self, record: SpoolRecord) -> None:
        """Write one record. When it returns, the record survives this process. Raises `SpoolFull`."""
        data = encode(record)
        files = self._files
        if files.size + len(data) > self._limit:
            raise SpoolFull(f"the spool in {self.path} has reached its bound of {self._limit} bytes")
        try:
            file = files.writable()
            spool_folder.write_whole(file.descriptor, data, file.size)
        except OSError as error:
            raise SpoolFull(f"the spool in {self.path} cannot be written: {error.strerror}") from error
        file.size += len(data)
        files.size += len(data)
        file.channels[record.channel] = record.number
        file.unsent_events += record.count
        self._needs_sync = True

    def acknowledge(self, record: SpoolRecord) -> None:
        """Register that Redis acknowledged a record, the last one of its channel."""
        channel, number = record.channel, record.number
        file: SpoolFile | None = self._files.current
        if file is None or file.last_number(channel) != number:
            closed = reversed(self._files.closed)
            file = next((file for file in closed if file.last_number(channel) == number), None)
        if file is not None:
            file.unsent_events -= record.count

    def mark_unconfirmed(self) -> None:
        """Have the next replay check every file: Redis did not acknowledge a batch, or has lost one."""
        for file in self._files.all():
            file.is_unconfirmed = True
        self._metrics.spool_size(self.unconfirmed_size)

    async def replay(self, target: ReplayTarget) -> int:
        """Send what Redis lacks, and remove what it has on disk. Return the number of events sent.

        Raises what the target raises; call it again then.
        """
        async with self._replay_lock:
            return await self._replay.run(target)

    async def sync(self) -> None:
        """Flush what was written since the last call to the disk."""
        if not self._needs_sync:
            return
        self._needs_sync = False
        descriptors = [os.dup(file.descriptor) for file in self._files.all() if file.descriptor is not None]
        try:
            for descriptor in descriptors:
                await asyncio.to_thread(os.fdatasync, descriptor)
        except OSError as error:
            log.error("usage spool: the disk refused to sync: %s", error.strerror)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def close(self) -> None:
        """Release every file. The next process that replays adopts those that are left."""
        self._files.close()
