"""Facts about the installation, for the dashboard."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing
from gateway.client_snippets import CLIENTS, PLACEHOLDER, Target
from gateway.metering.confidence import THRESHOLD, Sign


class LinkTemplate(msgspec.Struct, frozen=True):
    """An install link: `prefix`, then `config` with the key in it, in Base64 or not, percent-encoded."""

    prefix: str
    config: str
    encoding: Literal["base64", "percent"]


class ClientTemplate(msgspec.Struct, frozen=True):
    """The configuration of an MCP client, with a placeholder for the key."""

    client: str
    title: str
    where: str
    text: str
    notes: tuple[str, ...]
    powershell: str | None
    """The same command for PowerShell, if `text` is a command."""
    link: LinkTemplate | None


class CountInfo(msgspec.Struct, frozen=True):
    """The meaning of `count_signs` and `count_confidence` of a call."""

    signs: dict[str, str]
    """A sentence for each sign."""
    threshold: float
    """The confidence below which a count is unknown."""


class Info(msgspec.Struct, frozen=True):
    """The version of the gateway, the URL for MCP clients, and their configurations."""

    version: str
    proxy_url: str
    key_placeholder: str
    clients: tuple[ClientTemplate, ...]
    counts: CountInfo


async def read_info(deps: Dependencies, caller: ApiCaller, params: Nothing) -> Info:
    """Return the version, and what connects MCP clients."""
    url = deps.public_url or _proxy_url(deps, caller.client.host)
    return Info(deps.version, url, PLACEHOLDER, _client_templates(url, has_own_certificate=deps.is_tls), _COUNTS)


_COUNTS = CountInfo({sign.value: sign.text for sign in Sign}, THRESHOLD)


def _proxy_url(deps: Dependencies, host: str) -> str:
    """Return the URL of the proxy's port on the host by which this API was reached."""
    scheme = "https" if deps.is_tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{deps.proxy_port}{deps.proxy_path}"


def _client_templates(url: str, *, has_own_certificate: bool = False) -> tuple[ClientTemplate, ...]:
    target = Target(url, PLACEHOLDER, has_own_certificate=has_own_certificate)
    built = {name: (client.title, client.snippet(target)) for name, client in CLIENTS.items()}
    return tuple(
        ClientTemplate(
            client=name,
            title=title,
            where=snippet.where,
            text=snippet.text,
            notes=snippet.notes,
            powershell=snippet.powershell,
            link=None if snippet.link is None else LinkTemplate(*snippet.link),
        )
        for name, (title, snippet) in built.items()
    )


_EXAMPLE = Info(
    version="1.0.0",
    proxy_url="https://mcp.example.com/mcp",
    key_placeholder=PLACEHOLDER,
    clients=_client_templates("https://mcp.example.com/mcp")[:1],
    counts=CountInfo({Sign.WITNESS_AGREES.value: Sign.WITNESS_AGREES.text}, THRESHOLD),
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/info",
        summary="Version, and the URL and configurations for MCP clients",
        access="user",
        params=Nothing,
        handler=read_info,
        response=Info,
        request_example=Nothing(),
        response_example=_EXAMPLE,
    ),
)
