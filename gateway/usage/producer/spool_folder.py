"""Ownership of spool files: each process has its own folder, locked while the process lives.

The lock (`flock` on the folder itself) ends with the process, even after SIGKILL. An unlocked folder is adopted as a
whole, because the batches of a channel must be sent in order and may span several files.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

SUFFIX = ".spool"
log = logging.getLogger(__name__)


class SpoolFolder:
    """A folder that this process has locked."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def files(self) -> list[Path]:
        """Return its spool files, in the order in which they were written."""
        return sorted(self.path.glob(f"*{SUFFIX}"))

    def release(self) -> None:
        """Unlock it, and remove it if it is empty."""
        with suppress(OSError):
            self.path.rmdir()
        os.close(self._descriptor)


def new_name() -> str:
    """Return a unique name for this process."""
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def create(path: Path) -> SpoolFolder:
    """Create and lock the folder of this process. Raises `OSError`."""
    while True:
        path.mkdir(mode=0o700, exist_ok=True)
        # Between the two another process may adopt and remove the empty folder: then try again.
        if folder := _lock(path):
            return folder


def adopt(root: Path) -> list[SpoolFolder]:
    """Lock and return every folder that no living process holds."""
    adopted = []
    for path in sorted(root.iterdir()):
        try:
            if path.is_dir() and (folder := _lock(path)):
                adopted.append(folder)
        except OSError as error:
            log.error("usage spool: cannot open %s: %s", path, error.strerror)
    return adopted


def create_file(path: Path) -> int:
    """Create a file and return a descriptor that appends to it. Raises `OSError`."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)


def write_whole(descriptor: int, data: bytes, end: int) -> None:
    """Append all of `data` or nothing to a file of `end` bytes. Raises `OSError`, also for a full disk."""
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def _lock(path: Path) -> SpoolFolder | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return SpoolFolder(path, descriptor)
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None
