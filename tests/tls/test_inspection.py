"""Names and expiry of a certificate are read as clients read them."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from gateway.tls.inspection import Certificate, inspect_files
from gateway.tls.pair import PairError
from tests.support.certificates import make_pair


@pytest.mark.parametrize(
    ("host", "is_covered"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("a.example.com", True),
        ("example.com", False),
        ("a.b.example.com", False),
        ("127.0.0.2", False),
        ("test", False),
    ],
)
def test_a_certificate_covers_its_names_and_addresses(tmp_path: Path, host: str, is_covered: bool) -> None:
    certificate = inspect_files(make_pair(tmp_path, "localhost", "127.0.0.1", "::1", "*.example.com"))
    assert certificate.covers(host) is is_covered


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_expiry_is_known_also_after_it(tmp_path: Path, hours: int) -> None:
    certificate = inspect_files(make_pair(tmp_path, "localhost", valid=datetime.timedelta(hours=hours)))
    assert certificate.expires == pytest.approx(time.time() + hours * 3600, abs=60)


def test_a_broken_pair_is_refused(tmp_path: Path) -> None:
    files = make_pair(tmp_path, "localhost")
    files.key.unlink()
    with pytest.raises(PairError, match="GATEWAY_TLS_KEY"):
        inspect_files(files)


def certificate(tmp_path: Path, hours: float) -> Certificate:
    return inspect_files(make_pair(tmp_path, "mcp.example.com", "10.0.0.7", valid=datetime.timedelta(hours=hours)))


def test_a_certificate_that_clients_accept_has_no_problem(tmp_path: Path) -> None:
    assert list(certificate(tmp_path, 15 * 24).problems("mcp.example.com", time.time())) == []


@pytest.mark.parametrize(("hours", "verb"), [(-1, "has expired on "), (13 * 24, "expires on ")])
def test_the_end_of_a_certificate_is_a_problem_two_weeks_before_it(tmp_path: Path, hours: float, verb: str) -> None:
    [problem] = certificate(tmp_path, hours).problems("10.0.0.7", time.time())
    assert problem.finding.startswith(verb)
    assert problem.is_expired is (hours < 0)
    assert problem.fix.startswith("renew it")


def test_a_host_without_its_name_in_the_certificate_is_a_problem(tmp_path: Path) -> None:
    [problem] = certificate(tmp_path, 15 * 24).problems("127.0.0.1", time.time())
    assert problem.finding == "is valid for mcp.example.com, 10.0.0.7, and not for 127.0.0.1"
    assert "GATEWAY_PUBLIC_URL" in problem.fix
