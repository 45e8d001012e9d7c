"""Types of settings, with their validators.

A validator never puts the value into its message: it may be a secret, or a URL that contains a password. The caller
decides whether the value may be shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

MASK = "********"
LOOPBACK_ORIGINS = "loopback"
"""The word that stands for every origin on this machine, on any port."""

_OWN_PATHS = frozenset({"/healthz", "/readyz", "/register", "/token", "/authorize"})
_REDIS_SCHEMES = frozenset({"unix"}) | {
    scheme + kind for scheme in ("redis", "rediss") for kind in ("", "+sentinel", "+cluster")
}
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}(?<!-)\Z")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_OTHER_HEADERS = frozenset(
    {
        *("accept", "connection", "cookie", "expect", "forwarded", "host", "keep-alive", "last-event-id", "origin"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    }
)
_OTHER_HEADER_PREFIXES = ("accept-", "access-control-", "content-", "mcp-", "sec-", "x-forwarded-")
"""Headers that cannot carry a key."""
_METHOD = re.compile(r"[!-~]{1,128}\Z")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}\Z")


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part for part in (item.strip() for item in value.split(",")) if part)
    return value


def _each(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda items: tuple(dict.fromkeys(check(item) for item in items)))


def printable_text(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank: give it a value or remove it")
    if not value.isprintable():
        raise ValueError("contains a control character: check for a stray line break")
    return value


def _path(value: Path) -> Path:
    try:
        return value.expanduser().absolute()
    except RuntimeError:
        # A user id without an entry in /etc/passwd, as containers have.
        raise ValueError("begins with ~, but this user has no home folder: write the full path") from None


def _no_empty_path(value: Any) -> Any:
    return printable_text(value) if isinstance(value, str) else value


def _no_pem(value: Any) -> Any:
    if "-----BEGIN" in str(value):
        raise ValueError("must be the path of a file, not its content")
    return value


def split_url(value: str, *, one_host: bool = True) -> SplitResult:
    if not value.isprintable() or " " in value:
        raise ValueError("contains white space or a control character: check for a stray space or line break")
    try:
        parts = urlsplit(value)
        if one_host and parts.port == 0:
            raise ValueError
    except ValueError:
        raise ValueError("is not a valid URL: check the host and the port") from None
    return parts


def _upstream_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a full URL, such as http://127.0.0.1:9000/mcp")
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name or password: use GATEWAY_UPSTREAM_AUTHORIZATION for credentials")
    if parts.fragment:
        raise ValueError("has a fragment (#…): remove it")
    return value


def _public_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path in {"", "/"}:
        raise ValueError("must be the full URL of the MCP endpoint, such as https://mcp.example.com/mcp")
    return _shown_url(value, parts)


def _admin_public_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be the full URL of the dashboard, such as https://admin.example.com/")
    return _shown_url(value, parts)


def _shown_url(value: str, parts: SplitResult) -> str:
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must have no user name, query or fragment: it is shown to users")
    if not value.isascii():
        raise ValueError("must be in ASCII: percent-encode the path, and write the host in Punycode")
    return value


def _redis_url(value: str) -> str:
    parts = split_url(value, one_host="+" not in value.partition("://")[0])
    if parts.scheme not in _REDIS_SCHEMES:
        raise ValueError("must start with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    if parts.scheme == "unix":
        if parts.netloc.rpartition("@")[2] or not parts.path.startswith("/"):
            raise ValueError("must have the full path of the socket, such as unix:///run/valkey.sock")
    elif not parts.netloc.rpartition("@")[2]:
        raise ValueError("has no host: write it as redis://:password@host:6379/0")
    if parts.scheme.endswith("+sentinel") and not parts.path.strip("/"):
        raise ValueError("has no name of a master: write it as redis+sentinel://host:26379,host:26379/mymaster")
    return value


def _clickhouse_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme == "chdb":
        if parts.netloc or not parts.path.strip("/"):
            raise ValueError("must have a full path, such as chdb:///var/lib/gateway/chdb")
    elif parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be http(s)://user:password@host:8123/database or chdb:///path")
    return value


def _cluster(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value):
        raise ValueError("must be the name of a cluster in the configuration of ClickHouse, such as usage")
    return value


def _endpoint_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._~!$&'()*+;=:@/-]*", value):
        raise ValueError(
            'contains a path that does not start with "/" or has a query or other characters that need encoding'
        )
    if "//" in value or any(part in {".", ".."} for part in value.split("/")):
        raise ValueError("contains a path with an empty segment or a dot segment")
    if value in _OWN_PATHS or value.startswith("/.well-known"):
        raise ValueError(f"contains {value}, which the gateway answers itself: choose another path")
    return value


def _key_header(value: str) -> str:
    name = value.lower()
    if not _HEADER_NAME.match(value):
        raise ValueError("contains a name that is not a header name, such as X-API-Key")
    if name in _OTHER_HEADERS or name.startswith(_OTHER_HEADER_PREFIXES):
        raise ValueError(f"contains {value}, which has another meaning: choose another header")
    return value


def _public_method(value: str) -> str:
    if not _METHOD.match(value):
        raise ValueError("contains a name that is not a JSON-RPC method, such as initialize")
    if value == "tools/call":
        raise ValueError("contains tools/call: a call without a key cannot be metered, remove it")
    return value


def _origin(value: str) -> str:
    if value == LOOPBACK_ORIGINS:
        return value
    parts = split_url(value)
    bare = parts._replace(netloc=parts.netloc.lower())
    if parts.scheme not in {"http", "https"} or not parts.hostname or urlunsplit(bare) != value.lower():
        raise ValueError("must contain origins such as https://app.example.com, or the word loopback")
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must contain origins without a path, such as https://app.example.com")
    return value.lower()


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if not _HOST_NAME.match(value):
            raise ValueError("must be an IP address or a host name, without a port") from None
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("must contain addresses and networks such as 10.0.0.0/8") from None


def _email(value: str) -> str:
    if not _EMAIL.match(value):
        raise ValueError("must be an email address, such as admin@example.com")
    return value


Text = Annotated[str, AfterValidator(printable_text)]
Host = Annotated[str, AfterValidator(_host)]
Email = Annotated[str, AfterValidator(_email)]
PathSetting = Annotated[Path, BeforeValidator(_no_empty_path), AfterValidator(_path)]
PemPath = Annotated[PathSetting, BeforeValidator(_no_pem)]

Port = Annotated[int, BeforeValidator(_number), Field(ge=1, le=65_535)]
PortOrOff = Annotated[int, BeforeValidator(_number), Field(ge=0, le=65_535)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=10**12)]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=10**7, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, BeforeValidator(_number), Field(ge=0, le=10**7, allow_inf_nan=False)]

UpstreamUrl = Annotated[str, AfterValidator(_upstream_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
AdminPublicUrl = Annotated[str, AfterValidator(_admin_public_url)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
ClickHouseUrl = Annotated[str, AfterValidator(_clickhouse_url)]
Cluster = Annotated[str, AfterValidator(_cluster), Field(max_length=128)]

Paths = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), _each(_endpoint_path), Field(min_length=1)]
KeyHeaders = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), _each(_key_header), Field(min_length=1)]
Methods = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), _each(_public_method)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), _each(_origin)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), _each(_host)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), _each(_network)]


def mask_url(value: str) -> str:
    """Mask the password and the values of the query in a URL, so that it may be logged or displayed."""
    try:
        parts = split_url(value, one_host=False)
    except ValueError:
        return MASK
    user, at, hosts = parts.netloc.rpartition("@")
    if ":" in user:
        user = user.partition(":")[0] + ":" + MASK
    query = re.sub(r"=[^&]*", "=" + MASK, parts.query)
    return urlunsplit(parts._replace(netloc=user + at + hosts, query=query))
