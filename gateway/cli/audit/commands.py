"""The commands of `mcp-gateway audit`: list entries, write them to a file."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from gateway.cli.audit.source import read_entries, started_export
from gateway.cli.support import options, period
from gateway.cli.support.completion import complete_email
from gateway.cli.support.export import FormatOption, Output, check_output, write_export
from gateway.cli.support.output import print_json, print_stderr, print_table, printable, shortened
from gateway.cli.support.stores import Stores, with_stores
from gateway.usage.store.formats import Format

_DETAILS_WIDTH = 100

Actor = Annotated[
    str | None, typer.Option(metavar="NAME", help="Acts of this user, or a glob.", autocompletion=complete_email)
]
Act = Annotated[str | None, typer.Option(metavar="ACT", help="Acts of this kind, or a glob such as 'key.*'.")]
Object = Annotated[
    str | None, typer.Option("--object", metavar="ID", help="Acts on this key id, email or path, or a glob.")
]

app = typer.Typer()


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    actor: Actor = None,
    act: Act = None,
    object_: Object = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number; the newest are first.")] = 50,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show who did what, and what it changed.

    \b
    Examples:
      mcp-gateway audit --act 'key.*' --from 2026-01-01
      mcp-gateway audit --object key_… --json
      mcp-gateway audit export --output audit.csv
    """
    if context.invoked_subcommand is not None:
        return
    query = _query(actor, act, object_, period.Chosen(None, since, until, zone))
    entries, has_more = with_stores(config, data_dir, lambda stores: read_entries(stores, query, limit))
    if as_json:
        print_json({"items": entries})
    else:
        header = ("TIME (UTC)", "ACTOR", "ACT", "OBJECT", "RESULT", "ADDRESS", "CHANGES")
        print_table(header, [_row(entry) for entry in entries])
    if has_more:
        print_stderr(f"there are more than {limit} entries: raise --limit to see them")


@app.command()
def export(
    fmt: FormatOption = Format.CSV,
    output: Output = None,
    actor: Actor = None,
    act: Act = None,
    object_: Object = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Write entries to a file, oldest first. The export is itself recorded.

    \b
    Examples:
      mcp-gateway audit export --output audit.csv
      mcp-gateway audit export --format ndjson --act 'key.*' --from 2026-01-01
    """
    check_output(output, fmt)
    query = _query(actor, act, object_, period.Chosen(None, since, until, zone))

    async def work(stores: Stores) -> None:
        async with started_export(stores, query, fmt) as started:
            await write_export(started, fmt, output)

    with_stores(config, data_dir, work)


def _query(actor: str | None, act: str | None, object_: str | None, chosen: period.Chosen) -> dict[str, str]:
    """Return the filters as parameters of the admin API."""
    values = {"actor": actor, "act": act, "object": object_}
    given = {name: value for name, value in values.items() if value is not None}
    return given | period.bounds_query(chosen.for_calls())


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    changes = ", ".join(_changes(entry["before"], entry["after"]))
    return (
        entry["created_at"][:19].replace("T", " "),
        *(printable(entry[name]) or "-" for name in ("actor", "act", "object", "result", "address")),
        printable(shortened(changes, _DETAILS_WIDTH)),
    )


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {_text(before[name])} → {_text(after.get(name))}" if name in before else f"{name}: {_text(value)}"
        for name, value in {**before, **after}.items()
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
