"""Output of the key commands."""

from __future__ import annotations

from typing import Any

import typer

from gateway.cli.support.output import print_json, print_pairs, print_table
from gateway.keys.listing import listed_fields, public_fields
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import format_minute, now_ms


def print_new_key(record: KeyRecord, key: ApiKey, as_json: bool) -> None:
    """Print a key that was created or rotated, with its secret."""
    if as_json:
        print_json({**public_fields(record), "api_key": key.text})
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
        "\nThe API key is shown only this once. To configure a client:\n"
        "  mcp-gateway client-config claude-code --key <the API key>"
    )


def key_to_json(record: KeyRecord, last_used_at: int | None) -> dict[str, Any]:
    """Return the fields of a key as the admin API lists them."""
    return listed_fields(record, now_ms(), last_used_at)


def print_details(fields: dict[str, Any]) -> None:
    """Print a key with its secrets and limits, whose members may be absent."""
    lists = ("secrets", "limits")
    print_pairs([(name, format_value(value)) for name, value in fields.items() if name not in lists])
    for name in lists:
        rows = fields[name]
        header = list(dict.fromkeys(member for row in rows for member in row))
        if rows:
            typer.echo()
            print_table(
                [member.replace("_", " ").upper() for member in header],
                [[format_value(row.get(member)) for member in header] for row in rows],
            )


def format_value(value: Any) -> str:
    """Format a field of a key for a terminal."""
    match value:
        case None:
            return "-"
        case tuple() | list():
            return ", ".join(value) or "none"
        case dict():
            return ", ".join(f"{name}={format_value(member)}" for name, member in value.items()) or "-"
        case _:
            return str(value)
