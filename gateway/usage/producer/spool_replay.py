"""Replaying the spool: send what Redis lacks, remove what it has on its disk.

Rules:
- Batches are sent in their order, under their original channel and number, so that sending one twice adds it once.
- A file is removed when Redis has known all of its batches for `CONFIRM_SECONDS` and reports that its own disk has
  them; without such a report (`appendfsync no`) after `MAX_CONFIRM_SECONDS`.
- Folders of dead processes are adopted by the first process that replays.
- The torn tail of a file was never acknowledged to a caller: it is skipped, with a warning. A file that is damaged
  before its end is kept as `*.damaged`, with an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.spool_files import SpoolFile, SpoolFiles
from gateway.usage.producer.spool_format import SpoolRecord, decode

CONFIRM_SECONDS = 5.0
"""From the last write of a file to its removal: two seconds in which its last batch may be acknowledged, and three in
which Redis writes it to its own file (it delays that by two at most)."""
MAX_CONFIRM_SECONDS = 60.0
"""The same, where Redis knows a batch but never reports it on its disk (`appendfsync no`)."""

log = logging.getLogger(__name__)


class ReplayTarget(Protocol):
    """Redis, as a replay uses it."""

    async def last_numbers(self, channels: Sequence[str]) -> list[int]:
        """Return the number of the last batch that arrived through each channel, 0 for an unknown channel."""

    async def is_durable(self) -> bool:
        """Return True if Redis has on its own disk all that it has acknowledged, as far as it can tell."""

    async def replay(self, record: SpoolRecord, unsent_events: int) -> None:
        """Add a batch; `unsent_events` of its process are then still to be sent."""

    async def forget_process(self, process: str) -> None:
        """Remove the report of an ended process whose spool is empty."""


class SpoolReplay:
    """Replays the files of one process."""

    def __init__(self, files: SpoolFiles, metrics: UsageMetricsSink, monotonic: Callable[[], float]) -> None:
        self._files = files
        self._metrics = metrics
        self._monotonic = monotonic

    async def run(self, target: ReplayTarget) -> int:
        """Replay unconfirmed files, and those idle for `CONFIRM_SECONDS`. Return the number of events sent."""
        files = self._files
        files.close_current()
        files.adopt()
        sent = 0
        blocked_folders: set[Path] = set()
        arrived: list[SpoolFile] = []
        for file in list(files.closed):
            is_due = self._monotonic() >= file.idle_since + CONFIRM_SECONDS
            # Files after an unreadable one must wait: the batches of a channel are sent in order.
            if file.folder.path in blocked_folders or not (file.is_unconfirmed or is_due):
                continue
            resent = await self._send_lacking(file, target)
            sent += resent
            if file.is_unconfirmed:
                blocked_folders.add(file.folder.path)
            elif is_due and not resent:
                arrived.append(file)
            self._metrics.spool_size(files.unconfirmed_size)
        await self._remove_durable(arrived, target)
        for folder in files.finished_folders():
            await target.forget_process(folder.path.name)
            files.release(folder)
        return sent

    async def _send_lacking(self, file: SpoolFile, target: ReplayTarget) -> int:
        """Send what Redis lacks of a file, in order, which confirms the file. Return the number of events sent."""
        records = await self._read(file) if file.channels is None else None
        if file.channels is None:
            return 0
        channels = list(file.channels)
        arrived = dict(zip(channels, await target.last_numbers(channels), strict=True))
        sent = 0
        if any(arrived[channel] < number for channel, number in file.channels.items()):
            if records is None and (records := await self._read(file)) is None:
                return 0
            lacking = [record for record in records if record.number > arrived.get(record.channel, 0)]
            file.unsent_events = sum(record.count for record in lacking)
            for record in lacking:
                await target.replay(record, self._files.unsent_events_in(file.folder) - record.count)
                file.unsent_events -= record.count
                sent += record.count
                self._metrics.resent(record.count)
            file.idle_since = self._monotonic()
        file.unsent_events = 0
        file.is_unconfirmed = False
        return sent

    async def _read(self, file: SpoolFile) -> tuple[SpoolRecord, ...] | None:
        """Return the records of a file; `None` if it cannot be read now, which leaves it unconfirmed."""
        try:
            contents = decode(await asyncio.to_thread(file.path.read_bytes))
        except OSError as error:
            file.is_unconfirmed = True
            log.error("usage spool: cannot read %s: %s", file.path, error.strerror)
            return None
        file.torn, file.damaged = contents.torn, contents.damaged
        file.channels = {record.channel: record.number for record in contents.records}
        return contents.records

    async def _remove_durable(self, arrived: Sequence[SpoolFile], target: ReplayTarget) -> None:
        is_durable = bool(arrived) and await target.is_durable()
        for file in arrived:
            if not (is_durable or self._monotonic() >= file.idle_since + MAX_CONFIRM_SECONDS):
                continue
            if not self._files.remove(file):
                continue
            if file.damaged:
                log.error("usage spool: %d bytes amid the records of %s are damaged", file.damaged, file.path)
                self._metrics.spool_damaged(file.damaged)
            if file.torn:
                log.warning("usage spool: skipped a torn tail of %d bytes in %s", file.torn, file.path)
                self._metrics.spool_torn(file.torn)
