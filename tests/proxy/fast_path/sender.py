"""The requests of one client, which have most of their head in common."""

from __future__ import annotations

from typing import NamedTuple

from tests.support.wire import request

KEEP_ALIVE = b"Connection: keep-alive"
CLOSE = b"Connection: close"


class Sender(NamedTuple):
    """A client."""

    key: str | None
    is_valid: bool
    """True if its key is valid."""
    fields: tuple[bytes, ...]
    version: bytes

    def post(self, body: bytes, *fields: bytes, length: bool = True) -> bytes:
        """Return a POST; `fields` are further header lines."""
        line = b"POST /mcp HTTP/" + self.version
        return request(line, *self.fields, *fields, key=self.key, body=body, length=length)

    @property
    def keeps_alive(self) -> bool:
        """True if its connection is kept alive."""
        return CLOSE not in self.fields and (self.version == b"1.1" or KEEP_ALIVE in self.fields)

    def without_keep_alive(self) -> Sender:
        """Return it without a `Connection` field."""
        return self._replace(fields=tuple(field for field in self.fields if field not in (KEEP_ALIVE, CLOSE)))

    def closing(self) -> Sender:
        """Return it with `Connection: close`."""
        plain = self.without_keep_alive()
        return plain._replace(fields=(*plain.fields, CLOSE))
