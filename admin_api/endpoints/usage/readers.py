"""The readers of a table."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.exports import download, record_export
from admin_api.endpoints.usage import examples
from admin_api.endpoints.usage.field_types import ReadersFormat, Table
from admin_api.endpoints.usage.parameters import PeriodQuery
from admin_api.http.download import Download
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.formats import MEDIA_TYPES, Format
from gateway.usage.store.queries.models import Readers
from gateway.usage.store.queries.readers import MAX_EXPORTED_READERS, MAX_READERS, csv_file, readers


class ReadersQuery(PeriodQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table, a period, and a file format."""

    table: Table
    format: ReadersFormat = "json"


async def read_readers(deps: Dependencies, caller: ApiCaller, params: ReadersQuery) -> Readers | Download:
    """Return who read a table: by which key, from which client, by which tool, how often and when."""
    owner, period = params.requested_owner(caller), params.period()
    if params.format == "csv":
        await record_export(deps, "usage.export_readers", params)
        found = await readers(deps.usage, params.table, period, owner, MAX_EXPORTED_READERS)
        return download(deps, "readers", Format.CSV, csv_file(found))
    await wait_until_stored(deps.redis)
    return await readers(deps.usage, params.table, period, owner, MAX_READERS)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/readers",
        summary="Who read a table, those with the most calls first",
        access="user",
        params=ReadersQuery,
        handler=read_readers,
        response=Readers,
        other_media_types=(MEDIA_TYPES[Format.CSV],),
        request_example=ReadersQuery(table="stock_*", from_="2026-01-01", tz="Europe/Berlin"),
        response_example=examples.READERS,
        errors=(403,),
    ),
)
