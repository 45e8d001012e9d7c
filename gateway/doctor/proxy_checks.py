"""Checks of the proxy and of an API key: is it ready, does it require a key, and what does it say to this one."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
from redis.exceptions import RedisError

from gateway.doctor import mcp
from gateway.doctor.deployment import Check, Deployment
from gateway.doctor.key import find_key, form_fault, state_fault
from gateway.keys.secret import ApiKey
from gateway.timestamps import now_ms


async def check_key(deployment: Deployment) -> list[Check]:
    """Check the form of the key and, if Redis is known, whether it is accepted."""
    if deployment.key is None:
        return []
    if fault := form_fault(deployment.key):
        return [Check("API key", "failed", *fault)]
    if deployment.redis_url is None or "key_pepper" in deployment.unknown_secrets:
        missing = "GATEWAY_REDIS_URL" if deployment.redis_url is None else "GATEWAY_KEY_PEPPER"
        return [Check("API key", "skipped", f"is well-formed; set {missing} to find out whether it is known")]
    pepper = deployment.settings.key_pepper
    try:
        found = await find_key(
            deployment.redis_url, pepper.get_secret_value() if pepper else None, ApiKey.parse(deployment.key)
        )
    except (RedisError, OSError):
        return [Check("API key", "skipped", "is well-formed; Redis cannot be asked whether it is known")]
    if fault := state_fault(found, now_ms()):
        return [Check("API key", "failed", *fault)]
    assert found is not None
    return [Check("API key", "ok", f"is {found.record.key_id} of {found.record.owner}, and active")]


async def check_proxy(deployment: Deployment, session: aiohttp.ClientSession) -> list[Check]:
    """Check the proxy with a round trip through it."""
    url = deployment.proxy_url
    if url is None:
        return [Check("proxy", "skipped", "set GATEWAY_PUBLIC_URL to have the proxy checked from here")]
    parts = urlsplit(url)
    try:
        async with session.get(f"{parts.scheme}://{parts.netloc}/readyz", allow_redirects=False) as response:
            status = response.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return [Check("proxy", "failed", *_no_answer(url, error))]
    if status == 503:
        fix = "see the checks of Redis and upstream, and the log of the proxy"
        return [Check("proxy", "failed", f"answers at {url}, but is not ready", fix)]
    if status == 200:
        return [Check("proxy", "ok", f"answers at {url}"), *await _round_trip(deployment, url, session)]
    if await _requires_key(session, url):
        finding = f"/readyz on the host of {url} is not that of the gateway (status {status})"
        fix = "expected if a reverse proxy routes only the MCP endpoint; otherwise check --url and GATEWAY_PROXY_PORT"
        return [Check("proxy", "warning", finding, fix), *await _round_trip(deployment, url, session)]
    fix = "check --url and GATEWAY_PROXY_PORT: another program listens there"
    return [Check("proxy", "failed", f"{url} is not the proxy of this gateway (/readyz: status {status})", fix)]


async def _requires_key(session: aiohttp.ClientSession, url: str) -> bool:
    """Return whether a request without a key is 401, before the key is sent to a server that may be another one."""
    try:
        return await mcp.status_without_key(session, url) == 401
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def rejected_certificate(url: str, error: Exception) -> str | None:
    """Return why the certificate of a server was not accepted, or None if something else failed."""
    if not isinstance(error, aiohttp.ClientConnectorCertificateError):
        return None
    reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
    return f"the certificate at {url} is not accepted ({reason.rstrip('.')})"


def _no_answer(url: str, error: Exception) -> tuple[str, str]:
    """Return why a server does not answer, and the fix."""
    if finding := rejected_certificate(url, error):
        return finding, "use a name of the certificate in --url, or set SSL_CERT_FILE to the PEM file of its issuer"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"the server at {url} does not speak TLS", "write http:// in --url, or set GATEWAY_TLS_CERT"
    is_closed = isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)
    if is_closed and not isinstance(error, aiohttp.ClientConnectorError) and url.startswith("http:"):
        return f"the server at {url} closes the connection", "if it speaks TLS, write https:// in --url"
    return f"no server answers at {url}", "start it with `mcp-gateway up`, or `mcp-gateway proxy`"


async def _round_trip(deployment: Deployment, url: str, session: aiohttp.ClientSession) -> list[Check]:
    checks = []
    try:
        checks.append(await _without_key(deployment, url, session))
        if deployment.key is None:
            is_handshake_public = "initialize" in deployment.settings.public_methods
            server = await mcp.handshake(session, url, None) if is_handshake_public else None
            if server is not None:
                checks.append(Check("MCP", "ok", f"{server.title} answers through the proxy"))
            return [*checks, Check("MCP with a key", "skipped", "pass one with --key to list the tools")]
        if form_fault(deployment.key) is not None:
            return [*checks, Check("MCP with a key", "skipped", "the key cannot be sent; see API key")]
        server = await mcp.handshake(session, url, deployment.key)
        tools = await mcp.count_tools(session, url, deployment.key, server)
    except mcp.RoundTripError as error:
        return [*checks, Check("MCP", "failed", error.finding, error.fix)]
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        fix = "see the check of the upstream, and the log of the proxy"
        return [*checks, Check("MCP", "failed", f"the request failed: {str(error) or 'timed out'}", fix)]
    return [*checks, Check("MCP with a key", "ok", f"{server.title} lists {tools} tools through the proxy")]


async def _without_key(deployment: Deployment, url: str, session: aiohttp.ClientSession) -> Check:
    status = await mcp.status_without_key(session, url)
    if status == 401:
        return Check("key required", "ok", "tools/list without a key is rejected")
    if status == 404:
        paths = " or ".join(deployment.settings.proxy_paths)
        fix = f"check the path of the URL: the proxy serves {paths} (GATEWAY_PROXY_PATHS)"
    else:
        fix = "check that --url is the gateway, and that clients cannot bypass it"
    return Check("key required", "failed", f"tools/list without a key responds with {status}", fix)
