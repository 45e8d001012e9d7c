"""The number, length and random seeds of the rounds: `FAULT_ROUNDS`, `FAULT_SECONDS` and `FAULT_SEED`."""

from __future__ import annotations

import os

RATE = 400.0
"""Calls a second."""
SECONDS = float(os.environ.get("FAULT_SECONDS", "8"))
_FIRST = int(os.environ.get("FAULT_SEED", "1"))
SEEDS = range(_FIRST, _FIRST + int(os.environ.get("FAULT_ROUNDS", "1")))
