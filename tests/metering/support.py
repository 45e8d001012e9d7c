"""Makes results in their wire format, and counts the work that metering them takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec

from gateway.metering import MeteringResult, meter


def wire(value: Any) -> bytes:
    """Return `value` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def texts(*blocks: str, **members: Any) -> dict[str, Any]:
    """Return a result of text blocks."""
    return {"content": [{"type": "text", "text": block} for block in blocks], **members}


def structured(value: Any, **members: Any) -> dict[str, Any]:
    """Return a result with `structuredContent`, mirrored in one text block as the SDKs do."""
    return {**texts(json.dumps(value)), "structuredContent": value, **members}


def metered(result: dict[str, Any], tool: str = "query", **arguments: Any) -> MeteringResult:
    """Meter a call of `tool` with `arguments`, and return the tables, the number and the method."""
    return outcome(meter(tool, arguments, wire(result)))


def outcome(result: MeteringResult) -> MeteringResult:
    """Return a metering result without the details of the count."""
    return msgspec.structs.replace(result, confidence=None, path="", witness="", signs=())


def records(result: dict[str, Any], tool: str = "query", **arguments: Any) -> int | None:
    """Meter a call, and return its number of records."""
    return metered(result, tool, **arguments).records


def count_calls(function: Callable[[], object]) -> int:
    """Count the calls and returns of Python and C functions in `function`."""
    total = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal total
        total += 1

    previous = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(previous)
    return total
