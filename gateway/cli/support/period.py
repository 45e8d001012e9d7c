"""Options of commands for a period of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from gateway.cli.support.output import CliError
from gateway.timestamps import format_rfc3339, now_ms
from gateway.zones import time_zone

if TYPE_CHECKING:
    from gateway.usage.store.queries.period import Period

Days = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Number of days up to today, or --to.", show_default="30")
]
AllDays = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Number of days up to today, or --to.", show_default="all")
]
Since = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First date, or earliest time.")]
Until = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last date, or latest time.")]
Zone = Annotated[
    str | None,
    typer.Option("--tz", metavar="ZONE", help="Time zone of days and dates (IANA).", show_default="UTC"),
]


class Chosen(NamedTuple):
    """The values of the options. Methods raise `CliError` for invalid ones."""

    days: int | None
    since: str | None
    until: str | None
    zone: str | None

    def query(self) -> dict[str, str]:
        """Return the parameters of the admin API."""
        self.for_statistics()
        values = {"days": self.days, "from": self.since, "to": self.until, "tz": self.zone}
        return {name: str(value) for name, value in values.items() if value is not None}

    def for_statistics(self) -> Period:
        """Return the period; without any option the last 30 days."""
        # Imported here: most commands need none of it.
        from gateway.usage.store.queries.period import statistics_period

        return self._parsed(lambda: statistics_period(self.days, self.since, self.until, self.zone, now_ms()))

    def for_calls(self) -> Period:
        """Return the period; without any option all time."""
        from gateway.usage.store.queries.period import parse_period

        if self.days is not None:
            return self.for_statistics()
        return self._parsed(lambda: parse_period(self.since, self.until, self.zone))

    def _parsed(self, parse: Callable[[], Period]) -> Period:
        from gateway.usage.store.queries.period import InvalidPeriod

        try:
            time_zone(self.zone or "UTC")
        except ValueError:
            raise CliError("--tz must be an IANA time zone such as Europe/Berlin") from None
        try:
            return parse()
        except InvalidPeriod as error:
            raise CliError(f"--{error}") from None


def bounds_query(period: Period) -> dict[str, str]:
    """Return the bounds of a period as parameters of the admin API."""
    bounds = {"from": format_rfc3339(period.since), "to": format_rfc3339(period.until)}
    return {name: text for name, text in bounds.items() if text is not None}
