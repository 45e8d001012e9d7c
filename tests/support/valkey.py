"""A real Valkey on a unix socket in a temporary folder."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from gateway.runtime.embedded import find_valkey


@contextlib.contextmanager
def running_valkey(appendfsync: str = "everysec") -> Iterator[Valkey]:
    """Run a Valkey on a temporary folder."""
    # Not pytest's tmp_path, because the path of a unix socket must be shorter than 108 bytes.
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder), appendfsync)
        server.start()
        try:
            yield server
        finally:
            server.stop()


class Valkey:
    """A `valkey-server` process that tests can stop, kill and restart on the same data."""

    def __init__(self, folder: Path, appendfsync: str = "everysec") -> None:
        self.folder = folder
        self._appendfsync = appendfsync
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start the process, with further options, and wait until it responds to PING."""
        self.process = subprocess.Popen(
            [
                find_valkey(),
                *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)),
                *("--appendonly", "yes", "--appendfsync", self._appendfsync, "--save", "", "--loglevel", "warning"),
                *options,
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            while True:
                try:
                    client.ping()
                    return
                except (redis.ConnectionError, redis.BusyLoadingError, FileNotFoundError):
                    if time.monotonic() > deadline or self.process.poll() is not None:
                        raise RuntimeError("valkey-server did not start") from None
                    time.sleep(0.01)

    @property
    def is_running(self) -> bool:
        """True from the start to the end of the process."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Send SIGTERM and wait for the end."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)
