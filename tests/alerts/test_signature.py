"""The signature, and the example for receivers in the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.signature import signature

PAGE = Path(__file__).parents[2] / "docs/how-to/alerts.md"
BODY = b'{"id":"1"}'
NOW = 1_767_225_600


def test_a_known_signature() -> None:
    # Computed with `printf '1767225600.{"id":"1"}' | openssl dgst -sha256 -hmac secret`.
    digest = "8c84d1a52c62968d790bd2612fdea657174cf5ec06ce9a8da3217ac588edffe1"
    assert signature("secret", BODY, NOW) == f"t=1767225600,v1={digest}"


@pytest.fixture
def documented() -> Callable[..., bool]:
    """The function that the page shows to receivers."""
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_genuine"]  # type: ignore[no-any-return]


def test_the_documented_check_accepts_what_the_gateway_signs(documented: Callable[..., bool]) -> None:
    assert documented("secret", signature("secret", BODY, NOW), BODY, now=NOW + 60)


@pytest.mark.parametrize(
    ("secret", "header", "body", "now"),
    [
        ("other", signature("secret", BODY, NOW), BODY, NOW),
        ("secret", signature("secret", BODY, NOW), BODY + b" ", NOW),
        ("secret", signature("secret", BODY, NOW).replace("t=1", "t=2"), BODY, NOW),
        ("secret", signature("secret", BODY, NOW), BODY, NOW + 3600),
        ("secret", "", BODY, NOW),
        ("secret", "v1=00", BODY, NOW),
    ],
    ids=["secret", "body", "time", "replayed", "missing", "malformed"],
)
def test_the_documented_check_rejects_everything_else(
    documented: Callable[..., bool], secret: str, header: str, body: bytes, now: int
) -> None:
    assert not documented(secret, header, body, now=now)
