"""Lists of keys: filters, order and pages."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.keys.changes import OPERATOR
from gateway.keys.listing import KeyQuery, LabelFilter, SortBy, read_page
from gateway.keys.store import KeyStore
from gateway.timestamps import DAY_MS
from tests.support.clock import Clock
from tests.support.keys import record_use

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
async def keys(store: KeyStore, clock: Clock) -> KeyStore:
    """A store with keys that were created in the order of the alphabet, a day apart."""
    now = clock.now_ms()
    for name, owner, fields in (
        ("Alpha", ADA, {"labels": {"team": "red"}}),
        ("beta", ADA, {"labels": {"team": "blue"}, "expires_at": now + 90 * DAY_MS}),
        ("gamma", BOB, {"labels": {"team": "red", "env": "dev"}, "expires_at": now + 60 * DAY_MS}),
        ("Delta", BOB, {}),
    ):
        record, _ = await store.create(owner=owner, key_name=name, **fields)
        if name in ("beta", "gamma"):
            await record_use(store, record.key_id, now + len(name))
        clock.advance(86_400)
    return store


async def names(keys: KeyStore, clock: Clock, **query: Any) -> list[str]:
    page = await read_page(keys, KeyQuery(**query), clock.now_ms())
    assert (page.total, page.next_position) == (len(page.records), None)
    return [record.key_name for record in page.records]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Delta", "gamma", "beta", "Alpha"]),
        ({"descending": False}, ["Alpha", "beta", "gamma", "Delta"]),
        ({"owner": BOB}, ["Delta", "gamma"]),
        ({"sort": "name", "descending": False}, ["Alpha", "beta", "Delta", "gamma"]),
        ({"sort": "last_used"}, ["gamma", "beta"]),
        ({"text": "ALPH"}, ["Alpha"]),
        ({"text": "bob@"}, ["Delta", "gamma"]),
        ({"text": "key_"}, ["Delta", "gamma", "beta", "Alpha"]),
        ({"text": "nowhere"}, []),
        ({"label": LabelFilter("team", "red")}, ["gamma", "Alpha"]),
        ({"label": LabelFilter("team", None)}, ["gamma", "beta", "Alpha"]),
        ({"label": LabelFilter("team", "green")}, []),
        ({"label": LabelFilter("team", None), "owner": ADA, "text": "a"}, ["beta", "Alpha"]),
    ],
    ids=str,
)
async def test_keys_are_selected_and_sorted(
    keys: KeyStore, clock: Clock, query: dict[str, Any], expected: list[str]
) -> None:
    assert (await names(keys, clock, **query))[: len(expected) or None] == expected


async def test_keys_without_an_expiry_expire_last_and_unused_ones_were_used_first(keys: KeyStore, clock: Clock) -> None:
    assert (await names(keys, clock, sort="expires", descending=False))[:2] == ["gamma", "beta"]
    assert set((await names(keys, clock, sort="last_used", descending=False))[:2]) == {"Alpha", "Delta"}


async def test_keys_are_selected_by_their_status(keys: KeyStore, clock: Clock) -> None:
    by_name = {record.key_name: record.key_id for record in await keys.list(None)}
    await keys.revoke(by_name["Alpha"])
    await keys.suspend(by_name["Delta"], OPERATOR)
    clock.advance(70 * 86_400)
    found = {
        status: await names(keys, clock, status=status) for status in ("active", "suspended", "expired", "revoked")
    }
    assert found == {"active": ["beta"], "suspended": ["Delta"], "expired": ["gamma"], "revoked": ["Alpha"]}


@pytest.mark.parametrize("sort", ["created", "name", "expires", "last_used"])
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_have_every_key_once_and_keys_that_are_added_meanwhile_repeat_none(
    keys: KeyStore, clock: Clock, sort: SortBy, descending: bool
) -> None:
    query = KeyQuery(sort=sort, descending=descending, limit=1)
    whole = await read_page(keys, query._replace(limit=10), clock.now_ms())
    assert (whole.total, whole.next_position) == (4, None)
    found = []
    for number in range(10):
        page = await read_page(keys, query, clock.now_ms())
        found += [record.key_id for record in page.records]
        if page.next_position is None:
            break
        query = query._replace(after=page.next_position)
        if number < 2:
            await keys.create(owner=ADA, key_name="added")
    assert len(set(found)) == len(found)
    before = [record.key_id for record in whole.records]
    assert [key_id for key_id in found if key_id in before] == before


@pytest.mark.parametrize("text", ["", "=", "=red", "team=", " = "])
def test_a_label_without_name_or_value_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="name=value"):
        LabelFilter.parse(text)


def test_the_first_equals_sign_ends_the_name_of_a_label() -> None:
    assert LabelFilter.parse("team = a=b") == LabelFilter("team", "a=b")
    assert LabelFilter.parse("team") == LabelFilter("team", None)
