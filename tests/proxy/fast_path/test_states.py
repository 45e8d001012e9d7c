"""The state table of `fast_path.call`, as transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

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
