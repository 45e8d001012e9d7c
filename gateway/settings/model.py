"""Types and defaults of the settings. `gateway.settings.descriptions` documents each of them.

- `Settings(...)` uses only its arguments; `gateway.settings.load_settings` alone reads the environment and files.
- Only `Settings.to_json` reveals secrets. Its text goes through a pipe to a child process.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, SecretStr, SerializationInfo, field_serializer
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.settings import secret_values
from gateway.settings import values as v
from gateway.settings.descriptions import DESCRIPTIONS

ENV_PREFIX = "GATEWAY_"

Source = Literal["default", "file", "environment", "flag"]

SECRETS = (
    *("upstream_authorization", "jwt_secret", "jwt_previous_secrets", "admin_password", "key_pepper"),
    *("webhook_url", "webhook_secret"),
)
FILE_SETTINGS = (*SECRETS, "upstream_url", "redis_url", "clickhouse_url")
"""Settings that can also be given by the path of a file that contains the value, as `…_FILE`."""
_REVEAL = {"reveal": True}


class Effective(NamedTuple):
    """A setting as it is in effect; `value` is text that may be displayed, with secrets masked."""

    name: str
    variable: str
    value: str
    source: Source


def _default_workers() -> int:
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 4)


class Settings(BaseSettings):
    """All settings of the gateway, named like their environment variables in lower case without `GATEWAY_`.

    A new setting also needs a description in `gateway.settings.descriptions` and, if a worker uses it, the same field
    in `gateway.proxy.config.ProxyConfig`.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, validate_default=True, hide_input_in_errors=True
    )
    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)
    _warnings: list[str] = PrivateAttr(default_factory=list)

    # Upstream and engines
    upstream_url: v.UpstreamUrl | None = None
    upstream_authorization: secret_values.HeaderValue | None = None
    upstream_challenge: Literal["hide", "pass"] = "hide"
    redis_url: v.RedisUrl | None = None
    clickhouse_url: v.ClickHouseUrl | None = None
    clickhouse_cluster: v.Cluster | None = None
    data_dir: v.PathSetting = Path("data")
    metering_rules: v.PathSetting | None = None

    # Secrets and the first admin
    jwt_secret: secret_values.LongSecret | None = None
    jwt_previous_secrets: secret_values.LongSecrets | None = None
    key_pepper: secret_values.LongSecret | None = None
    admin_email: v.Email | None = None
    admin_password: SecretStr | None = None

    # Addresses and processes
    host: v.Host = "127.0.0.1"
    proxy_port: v.Port = 8001
    admin_port: v.Port = 8000
    public_url: v.PublicUrl | None = None
    admin_public_url: v.AdminPublicUrl | None = None
    tls_cert: v.PemPath | None = None
    tls_key: v.PemPath | None = None
    metrics_host: v.Host = "127.0.0.1"
    metrics_port: v.PortOrOff = 8003
    workers: Annotated[int, Field(ge=1, le=256)] = Field(default_factory=_default_workers)
    gateway_id: Annotated[v.Text, Field(max_length=128)] = Field(default_factory=socket.gethostname)

    # Access
    proxy_paths: v.Paths = ("/messages", "/mcp")
    public_methods: v.Methods = ("initialize", "notifications/initialized", "server/discover")
    key_headers: v.KeyHeaders = ("Authorization", "X-API-Key")
    bad_key_on_public: Literal["refuse", "ignore"] = "refuse"
    forward_identity: bool = False
    allowed_origins: v.Origins = (v.LOOPBACK_ORIGINS,)
    allowed_hosts: v.Hosts = ()
    trusted_proxies: v.Networks = ()
    fast_path: bool = True

    # Limits
    max_request_bytes: v.Count = 4_194_304
    max_concurrent_requests: v.Count = 2000
    limits_when_redis_away: Literal["refuse", "allow"] = "refuse"
    open_handshakes_per_address: v.Count = 50
    unclaimed_session_seconds: v.Seconds = 60.0

    # Time-outs, in seconds
    start_timeout: v.SecondsOrNone = 30.0
    connect_timeout: v.Seconds = 5.0
    request_head_timeout: v.Seconds = 30.0
    request_body_timeout: v.Seconds = 30.0
    first_byte_timeout: v.Seconds = 300.0
    idle_timeout: v.Seconds = 3600.0
    drain_timeout: v.Seconds = 25.0
    keepalive_timeout: v.Seconds = 75.0
    sse_ping_seconds: v.SecondsOrNone = 25.0

    # Usage
    usage_stream_max_entries: v.Count = 5_000_000
    usage_spool_max_bytes: v.Count = 268_435_456
    usage_ttl_days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    audit_ttl_days: Annotated[int | None, Field(ge=1, le=36_500)] = None

    # Alerts
    webhook_url: secret_values.WebhookUrl | None = None
    webhook_secret: secret_values.TextSecret | None = None

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @field_serializer(*SECRETS, when_used="json")
    def _secret(self, value: SecretStr | None, info: SerializationInfo) -> str | None:
        if value is None:
            return None
        return value.get_secret_value() if info.context == _REVEAL else v.MASK

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines about the sources of the settings, for the log of the start; a copy has none."""
        return tuple(self._warnings)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{row.name}={row.value}' for row in self.effective())})"

    __str__ = __repr__

    def to_json(self) -> str:
        """Serialize all values as one line of JSON, secrets revealed: for a pipe to a child, never for a log."""
        return self.model_dump_json(context=_REVEAL)

    def without_secrets(self) -> dict[str, Any]:
        """Return all values but the secrets, as JSON has them. A URL may contain a password."""
        return self.model_dump(mode="json", exclude=set(SECRETS))

    def given_secrets(self) -> tuple[str, ...]:
        """Return the names of the secrets that have a value."""
        return tuple(name for name in SECRETS if getattr(self, name) is not None)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Parse the line that `to_json` returned."""
        return cls.model_validate_json(line)

    def replaced(self, **changes: Any) -> Self:
        """Return a validated copy with other values; the sources of the values are kept."""
        copy = type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})
        copy._sources.update(self._sources)
        return copy

    def effective(self) -> tuple[Effective, ...]:
        """Return all settings with the sources of their values; secrets and passwords in URLs are masked."""
        return tuple(
            Effective(
                name,
                ENV_PREFIX + name.upper(),
                shown_value(name, getattr(self, name)) if getattr(self, name) is not None else shown_default(name),
                self._sources.get(name, "default"),
            )
            for name in type(self).model_fields
        )


def shown_value(name: str, value: Any) -> str:
    """Format a setting's value as text that may be displayed; secrets are masked."""
    if isinstance(value, SecretStr):
        return v.MASK
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    if name.endswith("_url"):
        return v.mask_url(str(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown_default(name: str) -> str:
    """Format a setting's default as the documentation shows it."""
    described = DESCRIPTIONS[name].default
    return shown_value(name, Settings.model_fields[name].default) if described is None else described
