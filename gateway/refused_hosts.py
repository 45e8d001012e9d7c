"""Warnings about names in `Host` that are refused, since clients often only show that they cannot connect."""

from __future__ import annotations

import logging
import re

MAX_NAMES = 100
"""Names that a process warns about; clients may send any number."""
_NAME = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]{1,64}\])(?::[0-9]{1,5})?")


class RefusedHosts:
    """Warns once for each name."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._names: set[str] = set()

    def warn(self, host: str) -> None:
        """Warn that this `Host` was refused, unless it is none or there was a warning about its name."""
        parts = _NAME.fullmatch(host.lower())
        if parts is None or parts[1] in self._names or len(self._names) >= MAX_NAMES:
            return
        self._names.add(parts[1])
        self._log.warning("the Host %s was refused; if clients may use it, add it to GATEWAY_ALLOWED_HOSTS", parts[1])
