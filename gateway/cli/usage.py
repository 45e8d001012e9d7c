"""`mcp-gateway usage`: the calls that were counted, and what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli import usage_export, usage_stats
from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_pairs, print_stderr, print_table, printable
from gateway.cli.support.services import Services, record_audit, with_services
from gateway.cli.usage_database import usage_table
from gateway.timestamps import format_minute, format_rfc3339
from gateway.usage.consumer.dead_letters import DeadLetter, DeadLetters

_REASON_WIDTH = 60

app = typer.Typer(help="Usage: sums, single calls, and what became of them.")
letters_app = typer.Typer(no_args_is_help=True, help="Events that ClickHouse refused for their content.")
app.callback(invoke_without_command=True)(usage_stats.show)
app.command()(usage_export.export)
app.add_typer(letters_app, name="dead-letters")

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, as `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@app.command()
def reconcile(
    days: Annotated[int, typer.Option(min=1, max=365, help="Days up to now.")] = 30,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Hold the calls that were accepted against those that are written, waiting, spooled or dead letters.

    The exit code is 1 where they do not agree.
    """
    balance = with_services(config, data_dir, lambda services: _balance(services, days))
    if as_json:
        print_json(balance)
    else:
        names = ("since", "accepted", "written", "waiting", "spooled", "dead_lettered", "dropped", "summed")
        print_pairs([(name.replace("_", " "), str(balance[name])) for name in names])
    if not balance["balanced"]:
        raise CliError('usage does not balance: see "When usage does not balance" in docs/how-to/operate.md')


@letters_app.command(name="list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the oldest first.")] = 100,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """List dead letters with the reason of each."""

    async def work(services: Services) -> list[DeadLetter]:
        letters = []
        async for letter in DeadLetters(services.redis).all():
            letters.append(letter)
            if len(letters) > limit:
                break
        return letters

    letters = with_services(config, data_dir, work)
    if as_json:
        print_json({"dead_letters": [_shown(letter) for letter in letters[:limit]]})
    else:
        rows = [
            (letter.id, format_minute(letter.at), _about(letter, "owner"), _about(letter, "tool_name"), _reason(letter))
            for letter in letters[:limit]
        ]
        print_table(("ID", "REFUSED (UTC)", "OWNER", "TOOL", "REASON"), rows)
    if len(letters) > limit:
        print_stderr(f"there are more than {limit}: see them with --limit")


@letters_app.command()
def retry(
    ids: Ids = None,
    all_: All = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Send dead letters to ClickHouse once more, after what was wrong is mended."""
    _settle("retry", "retried", lambda letters: letters.retry, ids, all_, as_json, data_dir, config)


@letters_app.command()
def drop(
    ids: Ids = None,
    all_: All = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Remove dead letters for good. `reconcile` goes on counting them."""
    _settle("drop", "dropped", lambda letters: letters.drop, ids, all_, as_json, data_dir, config)


def _settle(
    name: str,
    done: str,
    act_of: Callable[[DeadLetters], Callable[[list[DeadLetter]], Awaitable[int]]],
    ids: list[str] | None,
    all_: bool,
    as_json: bool,
    data_dir: Any,
    config: Any,
) -> None:
    if bool(ids) == all_:
        raise CliError("name the ids of dead letters, or --all")

    async def work(services: Services) -> int:
        letters = DeadLetters(services.redis)
        if all_:
            chosen = [letter async for letter in letters.all()]
        else:
            chosen = [await _existing(letters, letter_id) for letter_id in ids or ()]
        count = await act_of(letters)(chosen)
        if count:
            details = {"count": str(count)}
            await record_audit(services, f"dead_letter.{name}", details=details)
        return count

    count = with_services(config, data_dir, work)
    if as_json:
        print_json({done: count})
    else:
        typer.echo(f"{count} {'dead letter' if count == 1 else 'dead letters'} {done}")


async def _balance(services: Services, days: int) -> dict[str, Any]:
    async with usage_table(services) as table:
        if table is None:
            return dict(await admin_client.get_json(services, "/api/mcp-usage/reconcile", {"days": str(days)}))
        # Not at the top: the other commands need no ClickHouse client.
        from gateway.usage.reconciliation import reconcile

        return dict(msgspec.to_builtins(await reconcile(services.redis, table, days)))


async def _existing(letters: DeadLetters, letter_id: str) -> DeadLetter:
    letter = await letters.get(letter_id)
    if letter is None:
        raise CliError(f"there is no dead letter {letter_id}: `mcp-gateway usage dead-letters list` shows all")
    return letter


def _shown(letter: DeadLetter) -> dict[str, Any]:
    events = [msgspec.structs.asdict(event) for event in letter.events]
    return {
        "id": letter.id,
        "at": format_rfc3339(letter.at),
        "reason": letter.reason,
        "size": letter.size,
        "events": events,
    }


def _about(letter: DeadLetter, field: str) -> str:
    return str(getattr(letter.events[0], field)) if letter.events else "-"


def _reason(letter: DeadLetter) -> str:
    text = printable(letter.reason)
    return text if len(text) <= _REASON_WIDTH else text[: _REASON_WIDTH - 1] + "…"
