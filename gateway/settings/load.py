"""Loading and validation of the settings; `gateway.settings.sources` reads their values.

- All faults are reported together, unknown names included; each names the setting and the fix.
- No message contains the value of a secret or of a URL, which may contain a password.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.metering.rules.parsing import MAX_FILE, parse_rules_file
from gateway.metering.rules.rules import Rules, RulesError
from gateway.password_policy import validate_new_password
from gateway.settings.model import ENV_PREFIX, SECRETS, Settings
from gateway.settings.sources import Fault, Sources
from gateway.tls.pair import PairError, PairFiles, load_context

Command = Literal["up", "proxy", "admin", "tool"]
"""The command that loads the settings. `proxy` and `admin` embed no engines, so they require URLs."""

REQUIRED: Mapping[Command, tuple[str, ...]] = {
    "up": (),
    "tool": (),
    "proxy": ("upstream_url", "redis_url"),
    "admin": ("redis_url", "clickhouse_url", "jwt_secret"),
}

_MAX_SHOWN = 80


class SettingsError(Exception):
    """The settings are invalid; `faults` has all problems."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


def load_settings(
    config: Path | None = None, flags: Mapping[str, Any] | None = None, *, command: Command = "tool"
) -> Settings:
    """Load and validate the settings; flags that are `None` are ignored. Raises `SettingsError` with all faults."""
    sources = Sources()
    if config is not None:
        sources.read_toml(config)
    sources.read_environment(os.environ)
    sources.read_flags(flags or {})
    faults = sources.faults

    def shown_name(name: str) -> str:
        return sources.given[name].shown_name if name in sources.given else ENV_PREFIX + name.upper()

    settings, invalid = _validate({name: given.value for name, given in sources.given.items()}, faults, shown_name)
    bad = invalid | sources.faulty
    for name, problem in _contradictions(settings):
        if name not in bad:
            faults.append(Fault(shown_name(name), problem))
    if settings.metering_rules is not None and "metering_rules" not in bad:
        faults.extend(_rules_faults(settings.metering_rules))
    if not bad & {"tls_cert", "tls_key"}:
        faults.extend(Fault(shown_name(name), problem) for name, problem in _tls_faults(settings, command))
    faults.extend(
        Fault(ENV_PREFIX + name.upper(), f"is required by `mcp-gateway {command}`: {_need(name)}")
        for name in REQUIRED[command]
        if name not in bad and getattr(settings, name) is None
    )
    if faults:
        raise SettingsError(faults)
    settings._sources.update({name: given.source for name, given in sources.given.items()})
    settings._warnings.extend(sources.warnings)
    return settings


def read_rules_file(path: Path) -> Rules:
    """Read the operator's metering rules from a TOML file. Raises `RulesError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise RulesError([(str(path), f"cannot be read ({error.strerror or error})")]) from None
    return parse_rules_file(data, str(path))


def _rules_faults(path: Path) -> list[Fault]:
    try:
        read_rules_file(path)
    except RulesError as error:
        return [Fault(*fault) for fault in error.faults]
    return []


def _tls_faults(settings: Settings, command: Command) -> Iterable[tuple[str, str]]:
    """Find what is wrong with the TLS certificate and its key; yields names of settings and problems."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        given, other = ("tls_cert", "TLS_KEY") if settings.tls_key is None else ("tls_key", "TLS_CERT")
        yield given, f"is set without GATEWAY_{other}: set both for TLS, or neither"
    # Other commands may run as a user who cannot read the key.
    if settings.tls_cert is not None and settings.tls_key is not None and command != "tool":
        try:
            load_context(PairFiles(settings.tls_cert, settings.tls_key))
        except PairError as error:
            yield error.setting, error.problem


def _validate(
    merged: dict[str, Any], faults: list[Fault], shown_name: Callable[[str], str]
) -> tuple[Settings, frozenset[str]]:
    """Validate all values; on faults, build the settings from the valid ones, so that contradictions are found too."""
    try:
        return Settings(**merged), frozenset()
    except ValidationError as error:
        bad: set[str] = set()
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            if name not in bad:
                faults.append(Fault(shown_name(name), _problem(name, detail, merged.get(name))))
            bad.add(name)
    return Settings(**{name: value for name, value in merged.items() if name not in bad}), frozenset(bad)


def _problem(name: str, detail: ErrorDetails, value: Any) -> str:
    context = detail.get("ctx", {})
    if isinstance(value, str) and not value.strip():
        return "is blank: give it a value or remove it"
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "greater_than_equal" | "less_than_equal" | "greater_than":
            problem = f"must be a number {_bounds(name)}"
        case "int_parsing" | "int_type" | "int_from_float":
            problem = "must be a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            problem = "must be a number"
        case "bool_parsing" | "bool_type":
            problem = "must be true or false"
        case "literal_error":
            problem = f"must be {context['expected']}"
        case "tuple_type" | "too_short":
            problem = "must be a list with at least one string, or one string with commas"
        case _:
            problem = detail["msg"][:1].lower() + detail["msg"][1:]
    return problem + _not_value(name, value)


def _not_value(name: str, value: Any) -> str:
    if name in SECRETS or name.endswith("_url") or not isinstance(value, str | int | float):
        return ""
    text = str(value)
    return f", not {text}" if len(text) <= _MAX_SHOWN and text.isprintable() else ""


def _bounds(name: str) -> str:
    known: dict[str, Any] = {}
    for part in Settings.model_fields[name].metadata:
        known |= {bound: getattr(part, bound) for bound in ("ge", "gt", "le") if hasattr(part, bound)}
    if "gt" in known:
        return f"above {known['gt']} and at most {known['le']}"
    return f"from {known['ge']} to {known['le']}"


def _contradictions(settings: Settings) -> Iterable[tuple[str, str]]:
    """Find settings that contradict each other; yields names of settings and problems."""
    if settings.proxy_port == settings.admin_port:
        yield "admin_port", f"is {settings.admin_port}, the same as proxy_port: choose another port for one of them"
    if settings.metrics_port in {settings.proxy_port, settings.admin_port}:
        yield (
            "metrics_port",
            f"is {settings.metrics_port}, which is proxy_port or admin_port: choose another port, or 0 for none",
        )
    if settings.admin_password is not None:
        try:
            validate_new_password(settings.admin_password.get_secret_value(), settings.admin_email or "")
        except ValueError as error:
            yield "admin_password", str(error)
    if settings.upstream_url is not None:
        parts = urlsplit(settings.upstream_url)
        here = {"localhost", "127.0.0.1", "::1", "0.0.0.0", settings.host}  # noqa: S104
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.hostname in here and port == settings.proxy_port:
            yield "upstream_url", "is the address of this gateway itself: set it to the URL of the MCP server behind it"


def _need(name: str) -> str:
    return {
        "upstream_url": "set it to the MCP server's full URL, such as http://10.0.0.5:9000/mcp",
        "redis_url": "set it to the Redis that proxy and admin share, such as redis://10.0.0.6:6379/0",
        "clickhouse_url": "set it to http(s)://user:password@host:8123/database",
        "jwt_secret": "set it to at least 32 random bytes, made with `openssl rand -hex 32`",
    }[name]
