"""The page docs/configuration.md, made from the settings class so that it cannot fall behind it."""

from __future__ import annotations

from gateway.settings.model import ENV_PREFIX, Settings, shown_default

_HEAD = """\
# Configuration

<!-- Made by `mcp-gateway config --markdown`. Edit the descriptions in gateway/settings/model.py instead. -->

Settings come from a TOML file (`--config gateway.toml`), from the environment with the prefix `GATEWAY_`,
and from flags, the later over the earlier. In TOML the names are lower-case without the prefix (`proxy_port
= 8001`). Lists are TOML arrays, or one text with commas. `mcp-gateway config` prints what is in force,
secrets masked, and where each value came from. An unknown or malformed setting stops the start; all faults
are reported together.

| variable | default | meaning |
| --- | --- | --- |
"""


def configuration_page() -> str:
    """The whole page as Markdown, one line for each setting."""
    rows = (
        f"| `{ENV_PREFIX}{name.upper()}` | {_default(name)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _HEAD + "".join(rows)


def _default(name: str) -> str:
    shown = shown_default(name)
    field = Settings.model_fields[name]
    described = isinstance(field.json_schema_extra, dict) and "shown_default" in field.json_schema_extra
    return shown if described else f"`{shown}`"
