"""The gateway to check, and the result of one check."""

from __future__ import annotations

import ssl
from typing import Literal, NamedTuple

from gateway.settings import Settings

State = Literal["ok", "warning", "failed", "skipped"]


class Check(NamedTuple):
    """The result of one check; `fix` is empty if nothing needs to be done."""

    name: str
    state: State
    finding: str
    fix: str = ""


class Deployment(NamedTuple):
    """The gateway to check. `redis_url` is None if it is unknown."""

    settings: Settings
    """Those of a running `up`, except for its secrets, or those of this command."""
    redis_url: str | None
    proxy_url: str | None
    """None if it is unknown."""
    admin_url: str
    is_up_running: bool
    """True if an `up` runs on the data folder."""
    are_commands_separate: bool
    """True if proxy and admin run as separate commands, with configured URLs."""
    key: str | None
    admin_tls: ssl.SSLContext | bool = True
    proxy_tls: ssl.SSLContext | bool = True
    """The contexts to verify TLS with, or True for the certificates that this machine trusts."""
    unknown_secrets: frozenset[str] = frozenset()
    """Secret settings that the running `up` has and this command does not."""
