"""Parses the Compose file as Compose does: variables are interpolated, then YAML is parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.deploy.dockerfile import ROOT

PATH = ROOT / "deploy" / "compose.yaml"
EXAMPLE = ROOT / "deploy" / ".env.example"

FILLED_IN = {
    "REDIS_PASSWORD": "0123456789abcdef" * 4,
    "CLICKHOUSE_PASSWORD": "123456789abcdef0" * 4,
    "GATEWAY_JWT_SECRET": "23456789abcdef01" * 4,
    "GATEWAY_ADMIN_EMAIL": "admin@example.com",
    "GATEWAY_ADMIN_PASSWORD": "correct horse battery",
}
"""An `.env` with the required variables only."""

_VARIABLE = re.compile(r"\$\$|\$\{([A-Z_]+)(?::([?-])([^}]*))?\}")


class MissingVariableError(Exception):
    """A required variable is unset or empty."""


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Interpolate the variables of a text (Compose specification, interpolation)."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        given = variables.get(match[1], "")
        if not given and match[2] == "?":
            raise MissingVariableError(match[1])
        return given or (match[3] if match[2] == "-" else "")

    return _VARIABLE.sub(value, text)


def variables_used() -> dict[str, str | None]:
    """Return the default of each variable; `None` if it is required."""
    found = (match for match in _VARIABLE.finditer(PATH.read_text()) if match[1])
    return {match[1]: None if match[2] == "?" else match[3] or "" for match in found}


def read(variables: Mapping[str, str] = FILLED_IN) -> Any:
    """Parse the whole file. Raises `MissingVariableError`."""
    lines = [line for line in PATH.read_text().splitlines() if not line.lstrip().startswith("#")]
    return yaml.safe_load(interpolated("\n".join(lines), variables))


def environment(service: Any, variables: Mapping[str, str] = FILLED_IN) -> dict[str, str]:
    """Return the environment of a container; a name without a value is passed through if it is set, else omitted."""
    given = service.get("environment", {})
    passed = {name: variables.get(name) if value is None else str(value) for name, value in given.items()}
    return {name: value for name, value in passed.items() if value is not None}


def seconds(duration: str) -> int:
    """Parse a duration such as `130s` or `2m10s`."""
    match = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    assert match is not None, duration
    return 60 * int(match[1] or 0) + int(match[2] or 0)
