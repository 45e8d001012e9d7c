"""The faults that loading settings reports."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings import SettingsError, load_settings


def faults(**arguments: Any) -> list[str]:
    """Load settings with these arguments, and return the faults."""
    with pytest.raises(SettingsError) as caught:
        load_settings(**arguments)
    return [str(fault) for fault in caught.value.faults]
