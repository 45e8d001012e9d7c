"""Everything that the admin API works with, made by its caller."""

from __future__ import annotations

from asyncio import Event
from collections.abc import Callable
from dataclasses import dataclass, field

from redis.asyncio import Redis

from admin_api.http.addresses import Network
from gateway.accounts.audit_trail import AuditTrail
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.tokens import AccessTokens
from gateway.accounts.users import UserStore
from gateway.keys.store import KeyStore
from gateway.usage.store.table import UsageTable


@dataclass(frozen=True)
class Dependencies:
    """What `make_app` is given. Nothing here is closed by the app."""

    redis: Redis
    users: UserStore
    keys: KeyStore
    usage: UsageTable
    tokens: AccessTokens
    login_limits: LoginLimits
    audit: AuditTrail
    now_ms: Callable[[], int]
    version: str
    proxy_port: int = 8001
    proxy_path: str = "/mcp"
    """The first of the proxy's paths."""
    allowed_hosts: frozenset[str] | None = None
    """Names to answer to in `Host`, in lower case; `None` for any."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose `X-Forwarded-For` is believed."""
    draining: Event = field(default_factory=Event)
    """Set when the process is about to end, so that it is not ready any more."""
