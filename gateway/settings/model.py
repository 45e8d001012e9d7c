"""The settings of the gateway, each with its meaning and default.

- Nothing is read from the environment behind a caller's back: `Settings(...)` takes what it is given, and
  `gateway.settings.load_settings` is the one place that reads the environment and files.
- A secret is shown by nothing but `Settings.to_json`, whose text goes through a pipe to a child process.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, PrivateAttr, SecretStr, SerializationInfo, field_serializer
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.settings import values as v

ENV_PREFIX = "GATEWAY_"

Source = Literal["default", "file", "environment", "flag"]

SECRETS = ("upstream_authorization", "jwt_secret", "admin_password", "key_pepper")
_REVEAL = {"reveal": True}


class Effective(NamedTuple):
    """One setting as it is in force; `value` is text fit for a screen."""

    name: str
    variable: str
    value: str
    source: Source


def _about(text: str, default: str | None = None) -> Any:
    """The field's documentation; `default` is what the documentation shows where the value says little."""
    return Field(description=text, json_schema_extra=None if default is None else {"shown_default": default})


def _workers() -> int:
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 4)


class Settings(BaseSettings):
    """Every setting of the gateway, named like its environment variable without `GATEWAY_`, in lower case."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, validate_default=True, hide_input_in_errors=True
    )
    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    # Engines
    upstream_url: Annotated[
        v.UpstreamUrl | None,
        _about(
            "Full URL of the upstream's MCP endpoint; of a server with the HTTP+SSE transport, that of its stream.",
            "the demo server",
        ),
    ] = None
    upstream_authorization: Annotated[
        v.HeaderValue | None,
        _about("Sent upstream as `Authorization`; the client's own is always stripped.", "none"),
    ] = None
    redis_url: Annotated[
        v.RedisUrl | None,
        _about(
            "`redis://`, `rediss://`, `unix://`, `redis+sentinel://host,host/master` or `redis+cluster://host,host`.",
            "embedded Valkey",
        ),
    ] = None
    clickhouse_url: Annotated[
        v.ClickHouseUrl | None,
        _about("`http(s)://user:password@host:8123/database` or `chdb:///path`.", "embedded chDB"),
    ] = None
    clickhouse_cluster: Annotated[
        v.Cluster | None,
        _about(
            "Name of the ClickHouse cluster whose servers all have the tables, replicated and distributed.",
            "one server",
        ),
    ] = None
    data_dir: Annotated[
        v.DataDir,
        _about("Folder (mode 0700) of the embedded engines, generated secrets and the spool.", "`./data`"),
    ] = Path("data")

    metering_rules: Annotated[
        v.DataDir | None,
        _about("TOML file with `[[metering.rule]]`; read again on SIGHUP.", "the file of `--config`"),
    ] = None

    # Secrets and the first user
    jwt_secret: Annotated[
        v.LongSecret | None,
        _about(
            "Signs the admin API's tokens; at least 32 bytes. Required by `mcp-gateway admin`.",
            "generated into the data folder",
        ),
    ] = None
    key_pepper: Annotated[
        v.LongSecret | None,
        _about(
            "Keys are stored as HMAC-SHA-256 with this secret, at least 32 bytes. Changing it ends all keys.",
            "none: plain SHA-256",
        ),
    ] = None
    admin_email: Annotated[v.Email | None, _about("The first admin, made if no user exists.", "`admin@localhost`")] = (
        None
    )
    admin_password: Annotated[v.Password | None, _about("Password of the first admin.", "generated, printed once")] = (
        None
    )

    # Addresses
    host: Annotated[v.Host, _about("Address that proxy and admin API listen on.")] = "127.0.0.1"
    proxy_port: Annotated[v.Port, _about("Port of the proxy, for MCP clients.")] = 8001
    admin_port: Annotated[v.Port, _about("Port of the admin API and the dashboard.")] = 8000
    metrics_host: Annotated[v.Host, _about("Address that the metrics listen on.")] = "127.0.0.1"
    metrics_port: Annotated[v.PortOrOff, _about("Port of Prometheus metrics at `/metrics`; 0 for none.")] = 8003
    workers: Annotated[
        int,
        Field(ge=1, le=256),
        _about("Number of proxy processes.", "the machine's cores, at most 4"),
    ] = Field(default_factory=_workers)
    gateway_id: Annotated[
        v.Text, Field(max_length=128), _about("Name of this gateway in usage events.", "the host name")
    ] = Field(default_factory=socket.gethostname)

    # What the proxy lets through
    proxy_paths: Annotated[v.Paths, _about("Paths that are the MCP endpoint; every other path is answered 404.")] = (
        "/messages",
        "/mcp",
    )
    public_methods: Annotated[v.Methods, _about("JSON-RPC methods that need no key. Empty: everything needs one.")] = (
        "initialize",
        "notifications/initialized",
        "server/discover",
    )
    forward_identity: Annotated[bool, _about("Adds `X-MCP-Key-Id` and `X-MCP-Owner` to what goes upstream.")] = False
    allowed_origins: Annotated[
        v.Origins,
        _about("Origins of browser clients. `loopback` stands for every port of this machine."),
    ] = (v.LOOPBACK_ORIGINS,)
    allowed_hosts: Annotated[
        v.Hosts,
        _about(
            "Host names that clients may use in `Host`.",
            "loopback names where the gateway listens on loopback, else any",
        ),
    ] = ()
    trusted_proxies: Annotated[
        v.Networks, _about("Addresses and networks whose `X-Forwarded-*` headers are believed.", "none")
    ] = ()

    # Limits
    max_request_bytes: Annotated[v.Count, _about("Largest request body, in bytes; more is answered 413.")] = 4_194_304
    max_concurrent_requests: Annotated[
        v.Count,
        _about("Requests that one worker serves at once, and as many streams that listen; more are answered 503."),
    ] = 2000
    open_handshakes_per_address: Annotated[
        v.Count, _about("Sessions opened without a key and not yet claimed by one, for each client address.")
    ] = 50
    unclaimed_session_seconds: Annotated[
        v.Seconds, _about("A session that no key has claimed by then is ended upstream.")
    ] = 60.0

    # Time-outs by phase, in seconds
    connect_timeout: Annotated[v.Seconds, _about("Seconds to connect to the upstream; then 502.")] = 5.0
    request_head_timeout: Annotated[v.Seconds, _about("Seconds for a client to send its request's head.")] = 30.0
    request_body_timeout: Annotated[v.Seconds, _about("Seconds for a client to send its request's body.")] = 30.0
    first_byte_timeout: Annotated[
        v.Seconds, _about("Seconds to the first byte of the upstream's answer; then 504.")
    ] = 300.0
    idle_timeout: Annotated[v.Seconds, _about("Seconds that an answer's stream may be silent.")] = 3600.0
    drain_timeout: Annotated[
        v.Seconds, _about("Seconds that open requests get to finish when the gateway is stopped.")
    ] = 25.0

    # Usage
    usage_stream_max_entries: Annotated[
        v.Count,
        _about("Alarm bound of usage entries that wait in Redis for ClickHouse (about 140 bytes each)."),
    ] = 5_000_000
    usage_spool_max_bytes: Annotated[
        v.Count, _about("Largest spool file of one worker, for usage events while Redis is away.")
    ] = 268_435_456
    usage_ttl_days: Annotated[
        int | None, Field(ge=1, le=36_500), _about("Usage rows older than this are deleted.", "never")
    ] = None

    # Logs
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("Least severe log lines that are written.")
    ] = "info"
    log_format: Annotated[Literal["auto", "text", "json"], _about("`auto`: text on a terminal, else JSON lines.")] = (
        "auto"
    )

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

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{row.name}={row.value}' for row in self.effective())})"

    __str__ = __repr__

    def to_json(self) -> str:
        """One line of JSON with every value, secrets revealed: for a pipe to a child, never for a log."""
        return self.model_dump_json(context=_REVEAL)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read back what `to_json` wrote."""
        return cls.model_validate_json(line)

    def replaced(self, **changes: Any) -> Self:
        """A copy with other values, checked like the first ones; it keeps what is known of their sources."""
        copy = type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})
        copy._sources.update(self._sources)
        return copy

    def effective(self) -> tuple[Effective, ...]:
        """Every setting in force with where it came from; secrets and passwords in URLs masked."""
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
    """A setting's value as text that may be shown to anybody."""
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
    """A setting's default as the documentation shows it."""
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "shown_default" in extra:
        return str(extra["shown_default"])
    return shown_value(name, field.default)
