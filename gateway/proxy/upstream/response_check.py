"""Checks the head of a response before anything of it is used.

The rules:

- A redirect never reaches a client: it names an address behind the gateway.
- Nor does the upstream's demand for other credentials (401, 403, 407): they are the gateway's. `pass_challenges` lets
  401 and 403 pass, for upstreams that clients authenticate to in fields of their own.
- Both are counted. Both are logged with their address, at most once a minute for each.
- A response has one session id. The same id twice, as servers behind two middlewares send it, counts as one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream.errors import RefusedError, ResponseError
from gateway.proxy.upstream.response_parser import ResponseParser

log = logging.getLogger(__name__)

REDIRECTS = frozenset({301, 302, 303, 307, 308})
CHALLENGES = frozenset({401, 403, 407})
REFUSALS = REDIRECTS | CHALLENGES
_PASSED_CHALLENGES = frozenset({401, 403})

REDIRECTED = "The upstream answered with a redirect; set GATEWAY_UPSTREAM_URL to the address it names"
CHALLENGED = "The upstream refused the gateway's own credentials"

_SESSION_ID = b"mcp-session-id"
_LOG_SECONDS = 60.0
"""Interval at which the same refusal is logged again."""
_MAX_LOGGED = 100
"""Refusals whose time of logging is remembered."""
_MAX_ADDRESS = 500
"""Characters of an address in the log."""


class ResponseCheck:
    """Checks the heads of the responses of one upstream."""

    def __init__(
        self,
        address: UpstreamAddress,
        count: Callable[[str], None],
        *,
        pass_challenges: bool,
        on_refused: Callable[[str], None] = lambda kind: None,
    ) -> None:
        """`count` is called with the kind of each refusal: `redirect`, or the status of a challenge.

        So is `on_refused`, but not for a challenge that passes.
        """
        scheme = "https" if address.is_tls else "http"
        self._url = f"{scheme}://{address.host.decode('ascii')}{address.path.decode('ascii')}"
        self._count = count
        self._on_refused = on_refused
        self._pass_challenges = pass_challenges
        self._logged: dict[tuple[str, str], float] = {}

    def __call__(self, response: ResponseParser) -> None:
        """Check a response whose head has arrived. Raises `UpstreamError`."""
        if response.status in REDIRECTS:
            self._count("redirect")
            location = self._absolute(response.header(b"location"))
            self._log("redirect", location, f"a redirect ({response.status})", "GATEWAY_UPSTREAM_URL to this address")
            self._on_refused("redirect")
            raise RefusedError(REDIRECTED)
        if response.status in CHALLENGES:
            kind = str(response.status)
            self._count(kind)
            if not (self._pass_challenges and response.status in _PASSED_CHALLENGES):
                self._log(kind, self._url, kind, "GATEWAY_UPSTREAM_AUTHORIZATION")
                self._on_refused(kind)
                raise RefusedError(CHALLENGED)
        if len(set(session_ids(response.headers))) > 1:
            raise ResponseError("The upstream sent two different session ids (Mcp-Session-Id)")

    def _absolute(self, location: str) -> str:
        """Return the address that a redirect names, without anything that may be secret."""
        try:
            parts = urlsplit(urljoin(self._url, location))
        except ValueError:
            return "an invalid address"
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return "".join(filter(str.isprintable, address))[:_MAX_ADDRESS]

    def _log(self, kind: str, address: str, answer: str, setting: str) -> None:
        now = time.monotonic()
        if self._logged.get((kind, address), now) > now:
            return
        if len(self._logged) >= _MAX_LOGGED:
            self._logged.clear()
        self._logged[kind, address] = now + _LOG_SECONDS
        log.warning("the upstream %s answered with %s: %s; set %s", self._url, answer, address, setting)


def session_ids(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """Return the session ids in a head. Proxies join repeated fields with a comma and a space, which no id contains."""
    values = [value for name, value in headers if len(name) == len(_SESSION_ID) and name.lower() == _SESSION_ID]
    return [part for value in values for part in value.decode("latin-1").split(", ")]
