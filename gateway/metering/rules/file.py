"""The file of the operator's metering rules."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.metering.rules.rules import Rules, RulesError, read_rules

MAX_BYTES = 1_048_576
"""Bytes of a file with rules."""


def read_rules_file(path: Path) -> Rules:
    """The rules in a TOML file; other tables and values in it are not looked at. Raises `RulesError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise RulesError([(str(path), f"is larger than {MAX_BYTES} bytes")])
        table = tomllib.loads(data.decode()).get("metering", {})
    except tomllib.TOMLDecodeError as fault:
        raise RulesError([(str(path), f"is not TOML: {fault}")]) from None
    except UnicodeDecodeError:
        raise RulesError([(str(path), "is not UTF-8: save it as UTF-8")]) from None
    except OSError as fault:
        raise RulesError([(str(path), f"cannot be read ({fault.strerror or fault})")]) from None
    try:
        return read_rules(table)
    except RulesError as error:
        raise RulesError([(f"{where} in {path}", what) for where, what in error.faults]) from None
