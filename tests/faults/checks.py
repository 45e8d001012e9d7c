"""Checks after a load: what clients received against what is stored."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.faults.load import MIN_ANSWERED, Load

log = logging.getLogger(__name__)


def final_balance(reconcile: Callable[[], Any], seconds: float = 60) -> dict[str, Any]:
    """Reconcile until every accepted event is written, and return that balance."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            balance = reconcile()
            if balance["balanced"] and balance["accepted"] == balance["written"]:
                return dict(balance)
        except (OSError, KeyError, ValueError) as error:
            # Some processes are not ready again.
            balance = error
        assert time.monotonic() < deadline, balance
        time.sleep(0.1)


def assert_each_answer_is_stored_once(load: Load, rows: list[tuple[str, int]], calls: int) -> None:
    """Assert that every answered call has one row with its record count, and that only requested calls have one.

    `calls`: the calls in the roll-ups.
    """
    log.info(
        "%d requested, %d answered, %d stored; %s",
        len(load.requested),
        len(load.answered),
        len(rows),
        dict(load.failures),
    )
    found = Counter(call_id for call_id, _ in rows)
    assert {call_id: count for call_id, count in found.items() if count > 1} == {}, "stored more than once"
    assert load.answered - set(found) == set(), "answered, but not stored"
    assert dict(rows).items() <= load.requested.items(), "stored with another count, or never requested"
    assert calls == len(rows), "the roll-ups differ from the rows"
    assert len(load.answered) > MIN_ANSWERED, "too few answers to prove anything"
