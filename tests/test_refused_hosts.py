"""Warnings about refused hosts: once for each name."""

from __future__ import annotations

import logging

import pytest

from gateway.refused_hosts import MAX_NAMES, RefusedHosts


@pytest.fixture
def hosts() -> RefusedHosts:
    return RefusedHosts(logging.getLogger("test"))


def test_each_name_is_warned_about_once_with_the_setting_that_allows_it(
    hosts: RefusedHosts, caplog: pytest.LogCaptureFixture
) -> None:
    for host in ("mcp.example.com", "MCP.example.com:8001", "mcp.example.com:99", "[2001:db8::1]:1", "[2001:db8::1]"):
        hosts.warn(host)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"the Host {name} was refused; if clients may use it, add it to GATEWAY_ALLOWED_HOSTS")
        for name in ("mcp.example.com", "[2001:db8::1]")
    ]


@pytest.mark.parametrize("host", ["", "a b", "a\nb", "a@b", "a/b", "é", "a" * 300, "a:b", "%0a"])
def test_what_is_no_name_is_not_logged(hosts: RefusedHosts, caplog: pytest.LogCaptureFixture, host: str) -> None:
    hosts.warn(host)
    assert caplog.records == []


def test_the_number_of_names_is_bounded(hosts: RefusedHosts, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(2 * MAX_NAMES):
        hosts.warn(f"host-{number}.example")
    assert len(caplog.records) == MAX_NAMES
