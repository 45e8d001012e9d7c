"""The books after a load: what clients saw, against what is stored."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.faults.load import Load

log = logging.getLogger(__name__)


def settled(reconcile: Callable[[], Any], seconds: float = 60) -> dict[str, Any]:
    """What `reconcile` says, when nothing is on its way any more."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            balance = reconcile()
            if balance["balanced"] and balance["accepted"] == balance["written"]:
                return dict(balance)
        except (OSError, KeyError, ValueError) as error:
            # Not all is up again.
            balance = error
        assert time.monotonic() < deadline, balance
        time.sleep(0.3)


def open_the_books(load: Load, rows: list[tuple[str, int]], calls: int) -> None:
    """Every answered call has one row, with the right count; nothing else has any. `calls`: of the sums by day."""
    log.info(
        "%d asked, %d answered, %d stored; %s", len(load.asked), len(load.answered), len(rows), dict(load.failures)
    )
    found = Counter(call_id for call_id, _ in rows)
    assert {call_id: count for call_id, count in found.items() if count > 1} == {}, "stored more than once"
    assert load.answered - set(found) == set(), "answered, and not stored"
    assert dict(rows).items() <= load.asked.items(), "stored with another count, or never asked for"
    assert calls == len(rows), "the sums by day differ from the rows"
    assert len(load.answered) > 100, "too few answers to prove anything"
