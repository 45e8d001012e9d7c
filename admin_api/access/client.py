"""The client of a request, directly or behind trusted proxies."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from multidict import CIMultiDict, MultiMapping

from admin_api.dependencies import Dependencies
from gateway.protocol.forwarded import client_address, is_trusted, last_forwarded, plain_address


@dataclass(frozen=True)
class Client:
    """The client of a request."""

    address: str
    host: str
    """The host name by which it reached this API."""
    dashboard_url: str = "http://localhost/"
    """The URL of the dashboard for this client; it ends with a slash."""
    headers: MultiMapping[str] = field(default_factory=CIMultiDict)

    @property
    def user_agent(self) -> str:
        """Return the `User-Agent`, without control characters."""
        return "".join(filter(str.isprintable, self.headers.get(hdrs.USER_AGENT, "")))


def client_of(deps: Dependencies, request: web.Request) -> Client:
    """Return the client of a request."""
    forwarded_for, forwarded = (
        ", ".join(request.headers.getall(name, [])) for name in (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED)
    )
    return Client(
        address=client_address(request.remote or "", forwarded_for, forwarded, deps.trusted_proxies),
        host=request.url.host or "localhost",
        dashboard_url=_dashboard_url(deps, request),
        headers=request.headers,
    )


def _dashboard_url(deps: Dependencies, request: web.Request) -> str:
    """Return `GATEWAY_ADMIN_PUBLIC_URL`, or the URL as the client and the last trusted proxy know it."""
    if deps.admin_public_url:
        return deps.admin_public_url.rstrip("/") + "/"
    scheme, host, prefix = request.scheme, request.host, ""
    if is_trusted(plain_address(request.remote or ""), deps.trusted_proxies):
        standard = last_forwarded(request.headers.get(hdrs.FORWARDED, ""))
        forwarded_scheme = _last(request, hdrs.X_FORWARDED_PROTO) or standard.get("proto", "")
        scheme = forwarded_scheme.lower() if forwarded_scheme.lower() in ("http", "https") else scheme
        host = _last(request, hdrs.X_FORWARDED_HOST) or standard.get("host", "") or host
        prefix = _last(request, "X-Forwarded-Prefix").strip("/")
    return f"{scheme}://{host}/{prefix + '/' if prefix else ''}"


def _last(request: web.Request, name: str) -> str:
    """Return the last element of a header that is a list."""
    return ",".join(request.headers.getall(name, [])).rpartition(",")[2].strip()


def origin_of(url: str) -> str:
    """Return the origin of a URL, as browsers write it."""
    parts = urlsplit(url.lower())
    default_port = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(default_port)}"
