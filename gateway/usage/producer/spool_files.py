"""The spool files that one process holds: the one it writes, those it has closed, and those it adopted.

| file | `channels` | `descriptor` | becomes |
| --- | --- | --- | --- |
| current | known | open | closed, when it is long enough or a replay starts |
| closed | known | open | removed by a replay |
| adopted, from a dead process | `None` until a replay reads it | `None` | removed by a replay |

Any of them may be *unconfirmed*: Redis may lack some of its records.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.usage.producer import spool_folder
from gateway.usage.producer.spool_folder import SpoolFolder

FILE_BYTES = 8 * 1024 * 1024
"""A file that is longer is closed and the next one started, so that a replay reads little at a time."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SpoolFile:
    """One file; see the table above."""

    path: Path
    folder: SpoolFolder
    size: int
    descriptor: int | None = None
    channels: dict[str, int] | None = None
    """The last batch of each channel in it; `None` while it has not been read."""
    torn: int = 0
    """Unreadable bytes at its end."""
    damaged: int = 0
    """Unreadable bytes before a whole record."""
    unsent_events: int = 0
    """Events in it that Redis has not acknowledged, as far as known before it was read."""
    is_unconfirmed: bool = True
    """Redis may lack some of it."""
    idle_since: float = 0.0
    """Time of the last write to it or send from it (monotonic)."""

    def last_number(self, channel: str) -> int:
        """Return the number of a channel's last batch in it; 0 if there is none, or the file has not been read."""
        return self.channels.get(channel, 0) if self.channels is not None else 0


class WritableFile(SpoolFile):
    """A file that this process writes."""

    descriptor: int
    channels: dict[str, int]

    def __init__(self, path: Path, folder: SpoolFolder, descriptor: int) -> None:
        super().__init__(path, folder, size=0, descriptor=descriptor, channels={}, is_unconfirmed=False)


class SpoolFiles:
    """The files and folders that one process holds."""

    def __init__(self, root: Path, name: str, file_bytes: int, monotonic: Callable[[], float]) -> None:
        self._root = root
        self._name = name
        self._file_bytes = file_bytes
        self._monotonic = monotonic
        self._numbers = itertools.count()
        self._own: SpoolFolder | None = None
        self._folders: list[SpoolFolder] = []
        self.current: WritableFile | None = None
        self.closed: list[SpoolFile] = []
        """Own files and adopted ones, in the order in which they must be sent."""
        self.size = 0
        """Bytes of all files."""

    @property
    def unconfirmed_size(self) -> int:
        return sum(file.size for file in self.all() if file.is_unconfirmed)

    @property
    def unsent_events(self) -> int:
        """Events that only the own files are known to have."""
        return sum(file.unsent_events for file in self.all() if file.is_unconfirmed and file.folder is self._own)

    def unsent_events_in(self, folder: SpoolFolder) -> int:
        """Return the events of a folder that Redis has not acknowledged."""
        return sum(file.unsent_events for file in self.all() if file.folder is folder)

    def all(self) -> list[SpoolFile]:
        return [*self.closed, self.current] if self.current else self.closed

    def writable(self) -> WritableFile:
        """Return the file to write to, a new one if needed. Raises `OSError`."""
        if self.current is not None and self.current.size >= self._file_bytes:
            self.close_current()
        if self.current is None:
            if self._own is None:
                self._own = spool_folder.create(self._root / self._name)
                self._folders.append(self._own)
            path = self._own.path / f"{next(self._numbers):08d}{spool_folder.SUFFIX}"
            self.current = WritableFile(path, self._own, spool_folder.create_file(path))
        return self.current

    def close_current(self) -> None:
        """Write no further record to the current file."""
        if self.current is not None:
            self.current.idle_since = self._monotonic()
            self.closed.append(self.current)
            self.current = None

    def adopt(self) -> None:
        """Take over the folders of dead processes, each with all of its files."""
        try:
            folders = spool_folder.adopt(self._root)
        except OSError as error:
            log.error("usage spool: cannot read %s: %s", self._root, error.strerror)
            return
        for folder in folders:
            self._folders.append(folder)
            for path in folder.files():
                # Its process may have written until just now.
                self.closed.append(SpoolFile(path, folder, path.stat().st_size, idle_since=self._monotonic()))
                self.size += self.closed[-1].size

    def remove(self, file: SpoolFile) -> bool:
        """Delete a closed file, or rename it to `*.damaged` if it has damaged bytes. Return False if that fails."""
        try:
            if file.damaged:
                file.path.rename(self._root / f"{file.folder.path.name}-{file.path.stem}.damaged")
            else:
                file.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("usage spool: cannot remove %s: %s", file.path, error.strerror)
            return False
        if file.descriptor is not None:
            os.close(file.descriptor)
        self.closed.remove(file)
        self.size -= file.size
        return True

    def finished_folders(self) -> list[SpoolFolder]:
        """Return the adopted folders that have no files any more."""
        used = {file.folder.path for file in self.closed}
        return [folder for folder in self._folders if folder is not self._own and folder.path not in used]

    def release(self, folder: SpoolFolder) -> None:
        folder.release()
        self._folders.remove(folder)

    def close(self) -> None:
        """Close every file and unlock every folder."""
        for file in self.all():
            if file.descriptor is not None:
                os.close(file.descriptor)
        self.closed, self.current, self.size = [], None, 0
        for folder in self._folders:
            folder.release()
        self._folders, self._own = [], None
