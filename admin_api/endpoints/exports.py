"""Exports: files of single calls or of the audit log, each of which is recorded in the audit log."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.download import Download
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.formats import MEDIA_TYPES, Format


async def record_export(deps: Dependencies, act: str, params: msgspec.Struct) -> None:
    """Record an export with its parameters, and wait until earlier calls and acts are stored."""
    values = {field.encode_name: getattr(params, field.name) for field in msgspec.structs.fields(params)}
    await deps.audit.record(act, after={name: value for name, value in values.items() if value not in (None, False)})
    await wait_until_stored(deps.redis)


def download(deps: Dependencies, name: str, fmt: Format, chunks: AsyncGenerator[bytes]) -> Download:
    """Return a file with the date in its name."""
    return Download(MEDIA_TYPES[fmt], f"{name}-{deps.usage.today.isoformat()}.{fmt}", chunks)
