"""Types of client snippets."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Literal, NamedTuple
from urllib.parse import quote

DEFAULT_URL = "http://127.0.0.1:8001/mcp"
DEFAULT_NAME = "mcp-gateway"
PLACEHOLDER = "YOUR_API_KEY"


class Target(NamedTuple):
    """The gateway to connect to; without a `key`, the snippet has a placeholder."""

    url: str = DEFAULT_URL
    key: str | None = None
    name: str = DEFAULT_NAME
    has_own_certificate: bool = False
    """True if the gateway itself serves the URL with TLS; clients may not trust its certificate."""
    ca_file: str | None = None
    """A file with certificates to trust, for the command that verifies the gateway."""

    @property
    def shown_key(self) -> str:
        """The key, or its placeholder."""
        return self.key or PLACEHOLDER

    @property
    def bearer(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self.shown_key}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return {"Authorization": self.bearer}


class InstallLink(NamedTuple):
    """Link that opens a client and adds the gateway to it.

    Only links with a scheme of the client are used: a link through a web site would send it the key. The dashboard puts
    the key into `config` and encodes it itself.
    """

    prefix: str
    config: str
    encoding: Literal["base64", "percent"]
    """`base64`: Base64, then percent-encoding."""

    @property
    def url(self) -> str:
        """The whole link."""
        is_base64 = self.encoding == "base64"
        config = base64.b64encode(self.config.encode()).decode() if is_base64 else self.config
        return self.prefix + quote(config, safe="")


class Snippet(NamedTuple):
    """Text to paste, and the place to paste it; `notes` are hints for the user."""

    where: str
    text: str
    notes: tuple[str, ...] = ()
    powershell: str | None = None
    """The same command for PowerShell, if `text` is a command."""
    link: InstallLink | None = None


Trust = Literal["node", "python", "curl", "system"]
"""The place where a client looks for certificates to trust."""

_TRUST_NOTES: dict[Trust, str] = {
    "node": "set NODE_EXTRA_CA_CERTS to the path of its PEM file in the environment of the client.",
    "python": "set SSL_CERT_FILE to the path of its PEM file in the environment of the program.",
    "curl": "add --cacert with the path of its PEM file.",
    "system": "add it to the trusted certificates of the operating system.",
}


class Client(NamedTuple):
    """An MCP client, and the function that builds its snippet."""

    title: str
    build: Callable[[Target], Snippet]
    trust: Trust = "system"

    def snippet(self, target: Target) -> Snippet:
        """Return the snippet, with a note about the certificate of the gateway if it has its own."""
        snippet = self.build(target)
        if not target.has_own_certificate:
            return snippet
        note = "If the certificate of the gateway is self-signed or of a private CA, "
        return snippet._replace(notes=(*snippet.notes, note + _TRUST_NOTES[self.trust]))
