"""TLS of a listening socket, with the certificate of the current files.

- A handshake uses the pair that was loaded last; open connections are not affected by a reload.
- A pair replaces the previous one as a whole: a broken pair, or files that are being replaced, change nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from pathlib import Path
from typing import Any

from gateway.tls.pair import PairError, PairFiles, load_context

HANDSHAKE_SECONDS = 10.0
"""Seconds for a client to complete the handshake."""
CLOSE_SECONDS = 75.0
"""Seconds for a client to read the rest of the last response, and to close."""
RELOAD_SECONDS = 2.0
"""Interval at which the files are checked. A broken pair is logged when it is found twice."""

log = logging.getLogger(__name__)

_Versions = tuple[tuple[int, int, int, int] | None, ...]


class ServerTls:
    """The TLS context of listening sockets, and the reload of its files."""

    def __init__(self, files: PairFiles, *, interval: float = RELOAD_SECONDS) -> None:
        """Load the files. Raises `PairError`."""
        self._files = files
        self._interval = interval
        self._loaded = _versions(files)
        self._failed: _Versions | None = None
        """The files that could not be loaded when they were checked last."""
        self._reported: _Versions | None = None
        """The broken files that were logged."""
        self._current = self.context = load_context(files)
        # Not `load_cert_chain` on the same context: it keeps the previous certificate if the type of key changes, and
        # has no usable one after a failure.
        self.context.sni_callback = self._use_current

    @property
    def server_options(self) -> dict[str, Any]:
        """The options of `create_server`."""
        return {
            "ssl": self.context,
            "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            "ssl_shutdown_timeout": CLOSE_SECONDS,
        }

    async def watch(self) -> None:
        """Load the files again whenever they have changed, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            self._check()

    def _use_current(self, handshake: ssl.SSLObject, _server_name: str | None, _context: ssl.SSLContext) -> None:
        """Called for every handshake, also without a server name."""
        handshake.context = self._current

    def _check(self) -> None:
        found = _versions(self._files)
        if found in (self._loaded, self._reported):
            return
        try:
            self._current = load_context(self._files)
        except PairError as error:
            # Files that are replaced one after the other do not fit in between.
            if found == self._failed:
                self._reported = found
                log.error("%s; the previous certificate stays in use", error)
            self._failed = found
            return
        self._loaded, self._failed, self._reported = found, None, None
        log.info("the TLS certificate was read again")


def server_tls(certificate: str | Path | None, key: str | Path | None) -> ServerTls | None:
    """Return the TLS of the files in the settings; None if there are none. Raises `PairError`."""
    if certificate is None or key is None:
        return None
    return ServerTls(PairFiles(Path(certificate), Path(key)))


def _versions(files: PairFiles) -> _Versions:
    """Identify the current content of the files, through symbolic links, which Kubernetes replaces."""
    return tuple(map(_version, files))


def _version(path: Path) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
