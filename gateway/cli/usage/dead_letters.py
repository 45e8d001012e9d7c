"""`mcp-gateway usage dead-letters`: list, retry or drop the events that ClickHouse refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from gateway.cli.support import options
from gateway.cli.support.confirmation import Yes, confirm
from gateway.cli.support.output import CliError, counted, print_json, print_stderr, print_table, printable, shortened
from gateway.cli.support.stores import Stores, with_stores
from gateway.timestamps import format_minute, format_rfc3339
from gateway.usage.consumer.dead_letters import DeadLetter, DeadLetters

_REASON_WIDTH = 60

app = typer.Typer(no_args_is_help=True, help="Events that ClickHouse refused for their content.")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, as `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All dead letters.")]


@app.command(name="list")
def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number; the oldest are first.")] = 100,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List dead letters with the reason of each.

    \b
    Example:
      mcp-gateway usage dead-letters list --limit 20
    """

    async def work(stores: Stores) -> list[DeadLetter]:
        letters = []
        async for letter in DeadLetters(stores.redis).all():
            letters.append(letter)
            if len(letters) > limit:
                break
        return letters

    letters = with_stores(config, data_dir, work)
    if as_json:
        print_json({"dead_letters": [_to_json(letter) for letter in letters[:limit]]})
    else:
        rows = [
            (
                letter.id,
                format_minute(letter.at),
                _field(letter, "owner"),
                _field(letter, "tool_name"),
                shortened(printable(letter.reason), _REASON_WIDTH),
            )
            for letter in letters[:limit]
        ]
        print_table(("ID", "REFUSED (UTC)", "OWNER", "TOOL", "REASON"), rows)
    if len(letters) > limit:
        print_stderr(f"there are more than {limit} dead letters: raise --limit to see them")


@app.command()
def retry(
    ids: Ids = None,
    all_: All = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Insert dead letters again, after their fault was fixed.

    \b
    Example:
      mcp-gateway usage dead-letters retry --all
    """
    count = _remove("retry", _selected(ids, all_), data_dir, config)
    _print_count("retried", count, as_json)


@app.command()
def drop(
    ids: Ids = None,
    all_: All = False,
    yes: Yes = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Delete dead letters permanently. `reconcile` still counts them. On a terminal it asks first.

    \b
    Example:
      mcp-gateway usage dead-letters drop --all
    """
    selected = _selected(ids, all_)
    letters = "all dead letters" if selected is None else f"{len(selected)} dead letters"
    confirm(f"This deletes {letters} permanently", yes)
    count = _remove("drop", selected, data_dir, config)
    _print_count("dropped", count, as_json)


def _selected(ids: list[str] | None, all_: bool) -> list[str] | None:
    """Return the ids to use, `None` for all. Raises `CliError` unless exactly one of both is given."""
    if bool(ids) == all_:
        raise CliError("name the ids of dead letters, or use --all")
    return None if all_ else ids


def _remove(action: Literal["retry", "drop"], ids: list[str] | None, data_dir: Path | None, config: Path | None) -> int:
    """Retry or drop dead letters, record it in the audit log, and return their number."""

    async def work(stores: Stores) -> int:
        dead_letters = DeadLetters(stores.redis)
        if ids is None:
            chosen = [letter async for letter in dead_letters.all()]
        else:
            chosen = [await _existing(dead_letters, letter_id) for letter_id in ids]
        count = await (dead_letters.retry(chosen) if action == "retry" else dead_letters.drop(chosen))
        if count:
            await stores.audit.record(f"dead_letter.{action}", after={"count": count})
        return count

    return with_stores(config, data_dir, work)


def _print_count(done: str, count: int, as_json: bool) -> None:
    if as_json:
        print_json({done: count})
    else:
        typer.echo(f"{counted(count, 'dead letter')} {done}")


async def _existing(dead_letters: DeadLetters, letter_id: str) -> DeadLetter:
    letter = await dead_letters.get(letter_id)
    if letter is None:
        raise CliError(f"there is no dead letter {letter_id}: `mcp-gateway usage dead-letters list` shows all")
    return letter


def _to_json(letter: DeadLetter) -> dict[str, Any]:
    events = [msgspec.structs.asdict(event) for event in letter.events]
    return {
        "id": letter.id,
        "at": format_rfc3339(letter.at),
        "reason": letter.reason,
        "size": letter.size,
        "events": events,
        "log": letter.log or None,
    }


def _field(letter: DeadLetter, name: str) -> str:
    return str(getattr(letter.events[0], name)) if letter.events else letter.log or "-"
