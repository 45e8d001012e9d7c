"""The stores and settings that the endpoints of the admin API use."""

from __future__ import annotations

from asyncio import Event
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from redis.asyncio import Redis

from admin_api.http.cached_status import CachedStatus
from gateway.accounts.creation_limits import CreationLimits
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.owners import Owners
from gateway.accounts.password_links import PasswordLinks
from gateway.accounts.sessions import Sessions
from gateway.accounts.tokens import AccessTokens
from gateway.accounts.users import UserStore
from gateway.alerts.queue import AlertQueue
from gateway.alerts.webhook import WebhookAddress
from gateway.audit.audit_log import AuditLog
from gateway.audit.author import Author
from gateway.doctor.deployment import Check
from gateway.keys.store import KeyStore
from gateway.protocol.forwarded import Network
from gateway.usage.store.table import UsageTable


async def _no_checks() -> Sequence[Check]:
    return ()


@dataclass(frozen=True)
class Dependencies:
    """The dependencies of the application. The caller of `make_app` creates and closes them."""

    redis: Redis
    users: UserStore
    keys: KeyStore
    usage: UsageTable
    tokens: AccessTokens
    sessions: Sessions
    login_limits: LoginLimits
    creation_limits: CreationLimits
    audit: AuditLog
    alerts: AlertQueue
    now_ms: Callable[[], int]
    version: str
    proxy_port: int = 8001
    proxy_path: str = "/mcp"
    """Path of the MCP endpoint on the proxy, shown to users."""
    public_url: str | None = None
    """URL of the MCP endpoint for clients, if it is not that of the proxy's port on this host."""
    admin_public_url: str | None = None
    """URL of the dashboard, if it is not that of this host."""
    is_tls: bool = False
    """True if the ports of the proxy and of the admin API use TLS."""
    allowed_hosts: frozenset[str] | None = None
    """Accepted host names in the `Host` header, in lower case; `None` accepts any."""
    trusted_proxies: tuple[Network, ...] = ()
    """Peers whose `X-Forwarded-For` and `Forwarded` are trusted."""
    webhook: WebhookAddress | None = None
    """The receiver of alerts."""
    diagnose: Callable[[], Awaitable[Sequence[Check]]] = _no_checks
    """The checks of `mcp-gateway doctor`."""
    system_status: CachedStatus = field(default_factory=CachedStatus)
    draining: Event = field(default_factory=Event)
    """Set when the process shuts down; `/readyz` then reports `draining`."""

    @property
    def owners(self) -> Owners:
        """The users with their keys and policies."""
        return Owners(self.users, self.keys)

    @property
    def password_links(self) -> PasswordLinks:
        """The one-time links with which users set their passwords."""
        return PasswordLinks(self.redis, self.users, now_ms=self.now_ms)

    def by(self, author: Author) -> Dependencies:
        """Return the dependencies for an author, whose changes are recorded in the audit log."""
        return replace(self, users=self.users.by(author), keys=self.keys.by(author), audit=self.audit.by(author))
