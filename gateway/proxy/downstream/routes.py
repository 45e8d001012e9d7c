"""The paths that the proxy serves. Paths are compared as they are sent, neither decoded nor normalized."""

from __future__ import annotations

from collections.abc import Iterable

_OAUTH_PATHS = ("/register", "/token", "/authorize", "/.well-known")


class Routes:
    """The paths of the MCP endpoint, and those at which its clients probe for OAuth."""

    def __init__(self, proxy_paths: Iterable[str]) -> None:
        roots = [path.rstrip("/") for path in proxy_paths]
        self._endpoints = frozenset(proxy_paths) | {root + "/" for root in roots}
        self._probes = tuple(root + path for root in {"", *roots} for path in _OAUTH_PATHS)
        self._probe_folders = tuple(path + "/" for path in self._probes if path.endswith("/.well-known"))

    def is_endpoint(self, path: str) -> bool:
        """Return True for a configured path, also with one trailing slash."""
        return path in self._endpoints

    def is_oauth_probe(self, path: str) -> bool:
        """Return True for the endpoints and the metadata of an authorization server, also below a configured path."""
        return path in self._probes or path.startswith(self._probe_folders)
