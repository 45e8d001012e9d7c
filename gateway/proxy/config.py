"""The settings that a proxy worker needs, decoded without pydantic, which would slow down its start.

The supervisor writes `Settings.to_json()` as one line. A worker decodes it into this struct and ignores all other
settings. Names and types are those of `gateway.settings.Settings`, which describes each; a test compares the two.
"""

from __future__ import annotations

import msgspec

_SECRETS = frozenset({"upstream_authorization", "key_pepper", "redis_url", "upstream_url"})


class ProxyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a proxy worker. The URLs are required here. Time-outs are in seconds."""

    upstream_url: str
    upstream_authorization: str | None
    upstream_challenge: str
    redis_url: str
    data_dir: str
    metering_rules: str | None
    key_pepper: str | None

    host: str
    proxy_port: int
    gateway_id: str
    public_url: str | None
    tls_cert: str | None
    tls_key: str | None

    proxy_paths: tuple[str, ...]
    public_methods: tuple[str, ...]
    bad_key_on_public: str
    key_headers: tuple[str, ...]
    forward_identity: bool
    allowed_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    fast_path: bool

    max_request_bytes: int
    max_concurrent_requests: int
    limits_when_redis_away: str
    open_handshakes_per_address: int
    unclaimed_session_seconds: float

    connect_timeout: float
    request_head_timeout: float
    request_body_timeout: float
    first_byte_timeout: float
    idle_timeout: float
    drain_timeout: float
    keepalive_timeout: float
    sse_ping_seconds: float

    usage_stream_max_entries: int
    usage_spool_max_bytes: int

    log_level: str
    log_format: str

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in _SECRETS)
        return f"ProxyConfig({', '.join(shown)})"


_decoder = msgspec.json.Decoder(ProxyConfig)


def read_config(line: str | bytes) -> ProxyConfig:
    """Decode the output of `Settings.to_json`. Raises `msgspec.ValidationError` if a URL is missing."""
    return _decoder.decode(line)
