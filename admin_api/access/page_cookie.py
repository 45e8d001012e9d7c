"""The cookie of the dashboard: it holds the token, so that no script can read it.

- A login with the header of the page sets it: `HttpOnly`, `SameSite=Strict`, and `Secure` if the dashboard has https.
- A change by cookie needs that header, which no other site can send without CORS.
- `Sec-Fetch-Site` must say that the request comes from this origin or from the user. If the browser does not send it,
  `Origin`, if present, must be the one of the dashboard.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import hdrs, web

from admin_api.access.client import Client, origin_of
from admin_api.http.problem import Problem

COOKIE_NAME = "mcp_gateway_token"
PAGE_HEADER = "X-Gateway-Page"
_PAGE_VALUE = "1"
_OWN_SITES = frozenset({"same-origin", "none"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


def is_page(client: Client) -> bool:
    """Return True if the request has the header of the page."""
    return client.headers.get(PAGE_HEADER) == _PAGE_VALUE


def token_in_cookie(request: web.Request) -> str | None:
    """Return the token in the cookie, or `None`."""
    return request.cookies.get(COOKIE_NAME)


def require_own_page(client: Client, request: web.Request) -> None:
    """Raise `Problem` 403 if a request by cookie may come from another site."""
    if request.method not in _SAFE_METHODS and not is_page(client):
        raise Problem(403, "A change by cookie needs the header X-Gateway-Page: 1.")
    require_own_site(client, request)


def require_own_site(client: Client, request: web.Request) -> None:
    """Raise `Problem` 403 if a browser says that a request comes from the page of another origin."""
    site = client.headers.get("Sec-Fetch-Site")
    origin = client.headers.get(hdrs.ORIGIN, "").lower()
    own_origins = (origin_of(client.dashboard_url), f"{request.scheme}://{request.host}".lower())
    if site not in _OWN_SITES and (site is not None or (origin and origin not in own_origins)):
        raise Problem(403, "This request comes from the page of another site: use the dashboard, or send the token.")


def set_cookie(client: Client, token: str, max_age_seconds: int) -> dict[str, str]:
    """Return the header that sets the cookie; with 0 seconds, the browser removes it."""
    secure = "; Secure" if client.dashboard_url.startswith("https://") else ""
    parts = f"{COOKIE_NAME}={token}; Max-Age={max_age_seconds}; Path={_path(client)}; HttpOnly; SameSite=Strict"
    return {hdrs.SET_COOKIE: parts + secure}


def _path(client: Client) -> str:
    """Return the path of the dashboard, or `/` if it was not reached under its URL."""
    url = urlsplit(client.dashboard_url)
    return url.path if url.hostname == client.host.lower() and ";" not in url.path else "/"
