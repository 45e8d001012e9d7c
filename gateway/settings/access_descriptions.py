"""The documentation of the settings that say who may do what; see `gateway.settings.descriptions`."""

from __future__ import annotations

from gateway.settings.description import Description

ACCESS: dict[str, Description] = {
    "proxy_paths": Description(
        "Paths that are the MCP endpoint. All of them lead to the upstream URL; any other path is answered 404.",
        "Set it to the path that clients already use. Paths are compared as they are sent, without decoding.",
        "/mcp",
    ),
    "public_methods": Description(
        "JSON-RPC methods that need no API key. `tools/call` cannot be one of them.",
        "Clients open a session before they have to show a key. Set it to the empty string to require a key for "
        "everything.",
        "initialize,notifications/initialized",
    ),
    "key_headers": Description(
        "Headers that may carry the API key, with or without `Bearer`. A header other than `Authorization` counts, "
        "and is removed, only if its value has the form of a key; otherwise it is forwarded.",
        "Some clients can set only certain headers. Without `Authorization` in the list, that header is ignored, "
        "and removed as always.",
        "Authorization,X-API-Key,X-Gateway-Key",
    ),
    "bad_key_on_public": Description(
        "Response to a public request with an API key that is unknown, malformed, revoked, suspended or expired: "
        "401 (`refuse`), or the same as without a key (`ignore`).",
        "With `refuse`, a client with a wrong key fails when it connects. With `ignore`, it connects and its first "
        "call fails.",
        "ignore",
    ),
    "forward_identity": Description(
        "Adds the headers `X-MCP-Key-Id` and `X-MCP-Owner` to requests to the upstream.",
        "Lets an upstream know the caller. Headers of these names that a client sends are always removed.",
        "true",
    ),
    "allowed_origins": Description(
        "Values of `Origin` from which browsers may use the proxy. `loopback` stands for localhost on any port.",
        "Only browser clients send `Origin`. Other origins are answered 403, which protects against DNS rebinding.",
        "https://inspector.example.com,loopback",
    ),
    "allowed_hosts": Description(
        "Host names that clients may use in `Host`, without a port. Loopback names are always allowed.",
        "Set it to the public name when the gateway does not listen on loopback. Other names are answered 421.",
        "mcp.example.com",
        "loopback names if the gateway listens on loopback, otherwise any",
    ),
    "trusted_proxies": Description(
        "Addresses and networks whose `X-Forwarded-*` and `Forwarded` headers are used.",
        "Without it, all clients behind a load balancer have the balancer's address: in `allowed_ips`, in limits "
        "per address and in the usage history.",
        "10.0.0.0/8",
        "none",
    ),
    "fast_path": Description(
        "Serves usual tool calls in a shortcut in front of the aiohttp handler.",
        "Set it to `false` to have every request served by aiohttp alone, for example to find out whether the "
        "shortcut causes a problem. A call then takes two to three times the CPU time.",
        "false",
    ),
}
