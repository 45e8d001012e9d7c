"""Dead letters: the events that ClickHouse refused for their content. Admins retry and drop them."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.system.models import (
    IDS_EXAMPLE,
    LIST_EXAMPLE,
    DeadEvent,
    DeadLetterItem,
    DeadLetterList,
    DeadLettersQuery,
    DropDeadLetters,
    DroppedDeadLetters,
    RetriedDeadLetters,
    RetryDeadLetters,
)
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.paging import InvalidCursor, decode_cursor, encode_cursor
from gateway.timestamps import format_rfc3339
from gateway.usage.consumer.dead_letters import DeadLetter, DeadLetters


async def list_dead_letters(deps: Dependencies, caller: ApiCaller, params: DeadLettersQuery) -> DeadLetterList:
    """Return a page of the dead letters."""
    letters = await DeadLetters(deps.redis).page(_after(params.cursor), params.limit + 1)
    shown = letters[: params.limit]
    next_cursor = encode_cursor((shown[-1].id,)) if len(letters) > params.limit else None
    return DeadLetterList(dead_letters=[_item(letter) for letter in shown], next_cursor=next_cursor)


async def retry_dead_letters(deps: Dependencies, caller: ApiCaller, params: RetryDeadLetters) -> RetriedDeadLetters:
    """Insert dead letters again, after their fault was fixed."""
    count = await DeadLetters(deps.redis).retry(await _chosen(deps, params))
    await _audit(deps, "dead_letter.retry", count)
    return RetriedDeadLetters(retried=count)


async def drop_dead_letters(deps: Dependencies, caller: ApiCaller, params: DropDeadLetters) -> DroppedDeadLetters:
    """Delete dead letters permanently; the reconciliation still counts them."""
    count = await DeadLetters(deps.redis).drop(await _chosen(deps, params))
    await _audit(deps, "dead_letter.drop", count)
    return DroppedDeadLetters(dropped=count)


async def _chosen(deps: Dependencies, params: RetryDeadLetters) -> list[DeadLetter]:
    if (params.ids is None) != params.all:
        raise InvalidFields([FieldFault("ids", "or all is required, and not both")])
    letters = DeadLetters(deps.redis)
    if params.ids is None:
        return [letter async for letter in letters.all()]
    found = [await letters.get(letter_id) for letter_id in dict.fromkeys(params.ids)]
    return [letter for letter in found if letter is not None]


async def _audit(deps: Dependencies, act: str, count: int) -> None:
    if count:
        await deps.audit.record(act, after={"count": count})


def _after(cursor: str | None) -> str:
    """Return the id after which the page begins. Raises `InvalidCursor`."""
    if cursor is None:
        return "0-0"
    (letter_id,) = decode_cursor(cursor, (str,))
    time, _, number = str(letter_id).partition("-")
    if not (time.isdecimal() and number.isdecimal()):
        raise InvalidCursor(cursor)
    return str(letter_id)


def _item(letter: DeadLetter) -> DeadLetterItem:
    return DeadLetterItem(
        id=letter.id,
        at=format_rfc3339(letter.at),
        reason=letter.reason,
        size=letter.size,
        events=[
            DeadEvent(
                event_id=event.event_id,
                created_at=format_rfc3339(event.created_at),
                key_id=event.key_id,
                owner=event.owner,
                tool_name=event.tool_name,
            )
            for event in letter.events
        ],
        log=letter.log or None,
    )


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/system/dead-letters",
        summary="List the events that ClickHouse refused, the oldest first",
        access="auditor",
        params=DeadLettersQuery,
        handler=list_dead_letters,
        response=DeadLetterList,
        request_example=DeadLettersQuery(limit=20),
        response_example=LIST_EXAMPLE,
    ),
    Endpoint(
        method="POST",
        path="/api/system/dead-letters/retry",
        summary="Insert dead letters again, after their fault was fixed",
        access="admin",
        params=RetryDeadLetters,
        handler=retry_dead_letters,
        response=RetriedDeadLetters,
        request_example=RetryDeadLetters(ids=IDS_EXAMPLE),
        response_example=RetriedDeadLetters(retried=1),
    ),
    Endpoint(
        method="POST",
        path="/api/system/dead-letters/drop",
        summary="Delete dead letters permanently; the reconciliation still counts them",
        access="admin",
        params=DropDeadLetters,
        handler=drop_dead_letters,
        response=DroppedDeadLetters,
        request_example=DropDeadLetters(ids=IDS_EXAMPLE),
        response_example=DroppedDeadLetters(dropped=1),
    ),
)
