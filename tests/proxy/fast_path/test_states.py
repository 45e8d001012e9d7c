"""The state tables of `fast_path.call` and `fast_path.limit_check`, as transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.config import read_config
from gateway.settings import Settings
from tests.proxy.fast_path.transcript import Player
from tests.proxy.keep_alive import PathRecorder

FIRST_CALL = """
    client   >> call 1
    upstream << call 1
    upstream >> result 1
    usage    << 1 ok
    usage    >> durable
    client   << result 1
"""
"""The first call of a connection, on the general path."""


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> PathRecorder:
    return PathRecorder(monkeypatch)


@pytest.fixture
async def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: PathRecorder) -> Player:
    """A connection whose next call takes the fast path."""
    settings = Settings(upstream_url="http://127.0.0.1:9/mcp", redis_url="unix:///nonexistent", data_dir=tmp_path)
    player = Player(read_config(settings.to_json()), monkeypatch)
    await player.play(FIRST_CALL)
    paths.taken.clear()
    return player


async def test_a_single_result_response_is_sent_when_its_usage_is_durable(player: Player, paths: PathRecorder) -> None:
    for _ in range(3):
        await player.play("""
            client   >> call 2
            upstream << call 2
            upstream >> half 2
            upstream >> rest 2
            usage    << 2 ok
            usage    >> durable
            client   << result 2
        """)
    assert paths.taken == ["fast"] * 3
    assert player.metrics.reasons == ["forwarded"] * 4
    assert player.services.concurrency.active["request"] == 0


async def test_any_other_response_is_delivered_on_the_general_path(player: Player, paths: PathRecorder) -> None:
    await player.play("""
        client   >> call 2
        upstream << call 2
        upstream >> error 2
        usage    << 2 rpc_error
        usage    >> durable
        client   << error 2
    """)
    assert paths.taken == ["fast", "fell back"]


async def test_an_upstream_failure_is_502(player: Player, paths: PathRecorder) -> None:
    await player.play("""
        client   >> call 2
        upstream << call 2
        upstream >> half 2
        upstream >> end
        upstream << end
        client   << 502
    """)
    assert paths.taken == ["fast", "fell back"]
    assert player.metrics.reasons == ["forwarded", "upstream_answer"]


async def test_usage_that_cannot_be_recorded_is_503(player: Player) -> None:
    await player.play("""
        client   >> call 2
        upstream << call 2
        upstream >> result 2
        usage    << 2 ok
        usage    >> full
        client   << 503
    """)
    assert player.metrics.reasons == ["forwarded", "usage"]


async def test_a_call_whose_client_disconnects_goes_on_detached(player: Player, paths: PathRecorder) -> None:
    await player.play("""
        client   >> call 2
        upstream << call 2
        client   >> end
        upstream >> result 2
        usage    << 2 ok
        usage    >> durable
    """)
    assert paths.taken == ["fast"]
    assert player.metrics.reasons == ["forwarded", "client_left"]
    assert player.services.concurrency.active["request"] == 0


async def test_a_call_whose_client_disconnects_while_recording_is_not_sent(player: Player) -> None:
    await player.play("""
        client   >> call 2
        upstream << call 2
        upstream >> result 2
        usage    << 2 ok
        client   >> end
        usage    >> durable
    """)
    assert player.metrics.reasons == ["forwarded", "client_left"]
    assert player.services.concurrency.active["request"] == 0


async def test_pipelined_calls_are_sent_one_after_another(player: Player, paths: PathRecorder) -> None:
    await player.play("""
        client   >> call 2
        upstream << call 2
        client   >> call 3
        upstream >> result 2
        usage    << 2 ok
        usage    >> durable
        client   << result 2
        upstream << call 3
        upstream >> result 3
        usage    << 3 ok
        usage    >> durable
        client   << result 3
    """)
    assert paths.taken == ["fast", "fast"]


@pytest.fixture
def limited(player: Player) -> Player:
    """The same connection, whose limits have to be asked for."""
    player.limiter.asks = True
    return player


async def test_a_call_is_sent_once_its_limits_admit_it_and_its_records_are_settled_before_it_is_recorded(
    limited: Player, paths: PathRecorder
) -> None:
    for _ in range(2):
        await limited.play("""
            client   >> call 2
            limits   << check
            limits   >> admit
            upstream << call 2
            upstream >> result 2
            limits   << settle
            limits   >> admit
            usage    << 2 ok
            usage    >> durable
            client   << result 2
        """)
    assert paths.taken == ["fast"] * 2
    assert limited.services.concurrency.active["request"] == 0


async def test_a_call_that_its_limits_refuse_is_429_and_is_not_sent(limited: Player) -> None:
    await limited.play("""
        client   >> call 2
        limits   << check
        limits   >> refuse
        client   << 429
    """)
    assert limited.metrics.reasons == ["forwarded", "records"]
    assert limited.denials == [("records", "get")]
    assert limited.services.concurrency.active["request"] == 0


async def test_a_result_whose_records_exceed_a_limit_is_429_and_recorded_as_denied(limited: Player) -> None:
    await limited.play("""
        client   >> call 2
        limits   << check
        limits   >> admit
        upstream << call 2
        upstream >> result 2
        limits   << settle
        limits   >> refuse
        usage    << 2 denied
        usage    >> durable
        client   << 429
    """)
    assert limited.metrics.reasons == ["forwarded", "records"]
    assert limited.denials == [("records", "get")]


async def test_a_client_that_disconnects_while_its_limits_are_checked_gets_back_what_was_consumed(
    limited: Player,
) -> None:
    await limited.play("""
        client   >> call 2
        limits   << check
        client   >> end
        limits   >> admit
        limits   << give back
    """)
    assert limited.metrics.reasons == ["forwarded", "client_left"]
    assert limited.services.concurrency.active["request"] == 0


async def test_a_call_whose_client_disconnects_while_settling_is_recorded(limited: Player) -> None:
    await limited.play("""
        client   >> call 2
        limits   << check
        limits   >> admit
        upstream << call 2
        upstream >> result 2
        limits   << settle
        client   >> end
        limits   >> admit
        usage    << 2 ok
        usage    >> durable
    """)
    assert limited.metrics.reasons == ["forwarded", "client_left"]


async def test_an_admitted_call_without_an_idle_connection_is_sent_on_the_general_path(
    limited: Player, paths: PathRecorder
) -> None:
    await limited.play("""
        client   >> call 2
        limits   << check
        upstream >> end
        upstream << end
        limits   >> admit
        upstream << call 2
        upstream >> result 2
        usage    << 2 ok
        usage    >> durable
        client   << result 2
    """)
    assert paths.taken == ["fast", "fell back"]
    assert limited.services.concurrency.active["request"] == 0


async def test_an_admitted_call_whose_client_disconnects_before_the_general_path_sends_it_is_given_back(
    limited: Player,
) -> None:
    await limited.play("""
        client   >> call 2
        limits   << check
        upstream >> end
        upstream << end
        client   >> end
        limits   >> admit
        limits   << give back
    """)
    assert limited.services.concurrency.active["request"] == 0


async def test_what_a_call_consumed_is_given_back_if_it_cannot_be_sent(
    player: Player, monkeypatch: pytest.MonkeyPatch, paths: PathRecorder
) -> None:
    permit = Permit(give_back=lambda: player.sent.append("limits   << give back"))
    monkeypatch.setattr(player.limiter, "admit_call_now", lambda *_arguments: permit)
    monkeypatch.setattr(player.services.forwarding.pool, "try_send", lambda *_arguments: None)
    await player.play("""
        client   >> call 2
        limits   << give back
        upstream << call 2
        upstream >> result 2
        usage    << 2 ok
        usage    >> durable
        client   << result 2
    """)
    assert paths.taken == ["general"]
    assert player.services.concurrency.active["request"] == 0
