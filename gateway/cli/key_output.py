"""How key commands show a key."""

from __future__ import annotations

from typing import Any

import typer

from gateway.cli.output import print_json, print_pairs
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import format_minute, format_rfc3339, now_ms


def show_secret(record: KeyRecord, key: ApiKey, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "key_id": record.key_id,
                "key_name": record.key_name,
                "api_key": key.text,
                "key_prefix": record.key_prefix,
                "created_at": format_rfc3339(record.created_at),
                "expires_at": format_rfc3339(record.expires_at),
            }
        )
        return
    print_pairs(
        [
            ("API key", key.text),
            ("key id", record.key_id),
            ("name", record.key_name),
            ("owner", record.owner),
            ("expires", format_minute(record.expires_at)),
        ]
    )
    typer.echo(
        "\nThe API key is shown this once. For a client's configuration:\n"
        "  mcp-gateway client-config claude-code --key <the API key>"
    )


def shown(record: KeyRecord, used: int | None) -> dict[str, Any]:
    """A key like the admin API lists it."""
    return {
        "key_id": record.key_id,
        "key_name": record.key_name,
        "key_prefix": record.key_prefix,
        "owner": record.owner,
        "status": record.status(now_ms()),
        "created_at": format_rfc3339(record.created_at),
        "expires_at": format_rfc3339(record.expires_at),
        "revoked_at": format_rfc3339(record.revoked_at),
        "last_used_at": format_rfc3339(used),
        "allowed_tools": record.allowed_tools,
        "allowed_tables": record.allowed_tables,
        "allowed_ips": record.allowed_ips,
        "rate_limit_per_minute": record.rate_limit_per_minute,
        "records_per_day": record.records_per_day,
        "calls_per_day": record.calls_per_day,
        "labels": record.labels,
    }


def for_people(value: Any) -> str:
    match value:
        case None:
            return "-"
        case tuple():
            return ", ".join(value) or "none"
        case dict():
            return ", ".join(f"{name}={text}" for name, text in value.items()) or "-"
        case _:
            return str(value)
