"""Accepted host names."""

from __future__ import annotations

import pytest

from admin_api.http.addresses import allowed_hosts, host_name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Localhost:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("user@localhost", None),
        ("localhost/x", None),
        ("localhost:port", None),
        ("locälhost", None),
        ("", None),
        (None, None),
    ],
)
def test_a_host_header_is_parsed_strictly(header: str | None, name: str | None) -> None:
    assert host_name(header) == name


def test_any_host_is_accepted_on_a_public_bind_without_configured_hosts() -> None:
    assert allowed_hosts("0.0.0.0", ()) is None
    assert "gw.example" in (allowed_hosts("0.0.0.0", ("GW.example",)) or ())
    assert allowed_hosts("127.0.0.2", ()) == frozenset({"localhost", "127.0.0.1", "::1", "127.0.0.2"})


def test_the_host_of_the_public_url_is_accepted() -> None:
    assert "admin.example" in (allowed_hosts("127.0.0.1", (), "https://Admin.example:8443/x/") or ())
    assert allowed_hosts("0.0.0.0", (), "https://admin.example/") is None
