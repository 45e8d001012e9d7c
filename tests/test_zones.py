"""Time zones by their IANA names."""

from __future__ import annotations

import pytest

from gateway.zones import time_zone


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "Europe/Berlin", "Asia/Kathmandu", "Asia/Calcutta", "US/Eastern"])
def test_names_that_browsers_report_are_known(name: str) -> None:
    time_zone(name)


@pytest.mark.parametrize(
    "name",
    ["", "utc", "europe/berlin", "Europe", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "localtime", "\0"],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an IANA time zone"):
        time_zone(name)
