"""The scratch folder of one command: the metrics that its processes share, and their temporary files.

It is a temporary folder or, on a read-only root without one, a folder in the data folder. There, the next start removes
what a killed command has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "mcp-gateway-"


@contextlib.contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """Provide a new folder, and remove it on exit. Raises `OSError`."""
    with contextlib.ExitStack() as stack:
        try:
            # Not `tempfile.gettempdir()`, which falls back to the working directory.
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=os.environ.get("TMPDIR") or "/tmp")  # noqa: S108
        except OSError:
            parent = data_dir / "scratch"
            parent.mkdir(mode=0o700, exist_ok=True)
            for old in parent.iterdir():
                _remove_unlocked(old)
            folder = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
            stack.enter_context(_locked(Path(folder)))
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_unlocked(folder: Path) -> None:
    with contextlib.suppress(OSError), _locked(folder):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock that ends with this process. Raises `BlockingIOError` if another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
