"""Parameters that the endpoints of usage share: owner, period and filters."""

from __future__ import annotations

import msgspec

from admin_api.endpoints.ownership import requested_owner
from admin_api.endpoints.usage.field_types import CallStatus, Days, From, Search, TimeZone, To
from admin_api.http.endpoint import ApiCaller
from admin_api.http.field_types import AnyEmail, Flag, KeyId
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.period import Period, parse_period, statistics_period


class OwnersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The owner of the calls, by default the caller."""

    owner: AnyEmail | None = None
    all: Flag = False

    def requested_owner(self, caller: ApiCaller) -> str | None:
        """Return the owner, `None` for all. Raises `Problem` 403 if the caller may not read them."""
        return requested_owner(caller, self.owner, self.all)


class PeriodQuery(OwnersQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A period in a time zone."""

    from_: From | None = msgspec.field(name="from", default=None)
    to: To | None = None
    tz: TimeZone | None = None

    def period(self) -> Period:
        """Return the period. Raises `InvalidPeriod`."""
        return parse_period(self.from_, self.to, self.tz)

    def statistics_period(self, days: Days | None, now_ms: int) -> Period:
        """Return the period, by default one of so many days. Raises `InvalidPeriod`."""
        return statistics_period(days, self.from_, self.to, self.tz, now_ms)


class FilteredQuery(PeriodQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on calls, in a period."""

    key_id: KeyId | None = None
    tool: Search | None = None
    table: Search | None = None
    client: Search | None = None

    def filters(self, caller: ApiCaller) -> CallFilters:
        """Return the filters without the period. Raises `Problem` 403."""
        return CallFilters(
            owner=self.requested_owner(caller),
            key_id=self.key_id,
            tool=self.tool,
            table=self.table,
            client=self.client,
        )


class CallsQuery(FilteredQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on single calls."""

    status: CallStatus | None = None

    def filters(self, caller: ApiCaller) -> CallFilters:
        """Return all filters. Raises `InvalidFields`, `InvalidPeriod` and `Problem` 403."""
        filters, period = FilteredQuery.filters(self, caller), self.period()
        return msgspec.structs.replace(filters, since=period.since, until=period.until, status=self.status)
