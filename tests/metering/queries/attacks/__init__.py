"""Calls for the access control by `allowed_tables`: what a key for the table `allowed` may send, and attacks.

Each attack uses a feature of a language, or of an interface, that reads data under another name.
"""

from tests.metering.queries.attacks.arguments import (
    REACHING_ARGUMENTS,
    REACHING_FILTERS,
    REACHING_PARTS,
    SAFE_ARGUMENTS,
    SAFE_FILTERS,
    SAFE_PARTS,
)
from tests.metering.queries.attacks.calls import REACHING_CALLS, SAFE_CALLS
from tests.metering.queries.attacks.languages import ATTACKS, SAFE
from tests.metering.queries.attacks.safe_sql import SAFE_SQL
from tests.metering.queries.attacks.sql import SQL_ATTACKS

__all__ = [
    "ATTACKS",
    "REACHING_ARGUMENTS",
    "REACHING_CALLS",
    "REACHING_FILTERS",
    "REACHING_PARTS",
    "SAFE",
    "SAFE_ARGUMENTS",
    "SAFE_CALLS",
    "SAFE_FILTERS",
    "SAFE_PARTS",
    "SAFE_SQL",
    "SQL_ATTACKS",
]
