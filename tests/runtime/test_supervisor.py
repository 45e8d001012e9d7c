"""Start, restart, reload and stop of child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.runtime.supervision.supervisor import Child, StartError, Supervisor
from tests.support.running_up import is_alive
from tests.support.waiting import until, wait_until

SERVING = "import os, time; print('ready', os.getpid(), flush=True); time.sleep(60)"


def python(name: str, program: str, **options: float) -> Child:
    return Child(name=name, command=[sys.executable, "-c", program], **options)  # type: ignore[arg-type]


async def test_start_waits_for_the_ready_line_and_stop_ends_the_child() -> None:
    ended: list[int] = []
    supervisor = Supervisor({"GREETING": "hello"}, ended.append)
    line = await supervisor.start(python("a child", f"import os; print(os.environ['GREETING'], end=' ');{SERVING}"))
    pid = int(line.split()[-1])
    assert line.startswith("hello ready")
    await supervisor.stop()
    assert not is_alive(pid)


async def test_settings_are_not_in_the_environment_of_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_JWT_SECRET", "secret")
    supervisor = Supervisor({}, lambda _: None)
    program = "import os; print([name for name in os.environ if name.startswith('GATEWAY_')], flush=True)"
    assert await supervisor.start(python("a child", program + "; import time; time.sleep(60)")) == "[]"
    await supervisor.stop()


async def test_a_child_that_dies_is_restarted(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[int] = []
    supervisor = Supervisor({}, ended.append)
    pid = int((await supervisor.start(python("a child", SERVING))).split()[-1])
    os.kill(pid, signal.SIGKILL)
    await until(lambda: "was restarted" in caplog.text)
    assert "a child ended with SIGKILL; it is restarted" in caplog.text
    assert ended == [pid]
    await supervisor.stop()


async def test_a_child_that_exits_with_1_has_printed_the_reason_itself() -> None:
    supervisor = Supervisor({}, lambda _: None)
    with pytest.raises(StartError, match=r"^$"):
        await supervisor.start(python("a child", "import sys; sys.exit(1)"))
    with pytest.raises(StartError, match="a child ended with exit code 3"):
        await supervisor.start(python("a child", "import sys; sys.exit(3)"))
    await supervisor.stop()


async def test_a_child_that_exceeds_its_stop_time_out_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor({}, lambda _: None)
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVING}"
    pid = int((await supervisor.start(python("a child", stubborn, stop_timeout=0.2))).split()[-1])
    await supervisor.stop()
    assert "did not end within" in caplog.text
    assert not is_alive(pid)


async def test_children_stop_in_reverse_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(log)!r}, 'a').write('NAME '); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "time.sleep(DELAY); print('ready', flush=True); time.sleep(60)"
    )
    supervisor = Supervisor({}, lambda _: None)
    await supervisor.start_all(
        [
            python(name, program.replace("NAME", name).replace("DELAY", delay))
            for name, delay in (("first", "0.3"), ("second", "0"))
        ]
    )
    await supervisor.stop()
    assert log.read_text().split() == ["second", "first"]


@pytest.mark.skipif(sys.platform != "linux", reason="on other systems the child sees the end of standard input")
def test_a_child_does_not_outlive_a_supervisor_that_is_killed() -> None:
    program = f"""
import asyncio, sys
from gateway.runtime.supervision.supervisor import Child, Supervisor
async def main():
    line = await Supervisor({{}}, print).start(Child(name="c", command=[sys.executable, "-c", {SERVING!r}]))
    print(line, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline().split()[-1])
        process.kill()
        process.wait()
    wait_until(lambda: not is_alive(pid))


HANDLING_SIGHUP = (
    "import signal; signal.signal(signal.SIGHUP, lambda *_: print('handled', flush=True)); print('ready', flush=True); "
    "signal.pause(); import time; time.sleep(60)"
)


async def test_only_children_that_handle_sighup_get_it(tmp_path: Path) -> None:
    received = tmp_path / "received"
    handling = HANDLING_SIGHUP.replace("print('handled', flush=True)", f"open({str(received)!r}, 'x').close()")
    supervisor = Supervisor({}, lambda _: None)
    await supervisor.start(python("handling", handling, reloads=True))
    pid = int(
        (await supervisor.start(python("other", "import signal; signal.signal(1, signal.SIG_DFL);" + SERVING))).split()[
            -1
        ]
    )
    supervisor.reload()
    await until(received.exists)
    assert is_alive(pid)
    await supervisor.stop()


async def test_a_child_survives_sighup_before_it_is_ready() -> None:
    supervisor = Supervisor({}, lambda _: None)
    program = "import os, signal; os.kill(os.getpid(), signal.SIGHUP);" + SERVING
    assert (await supervisor.start(python("a child", program))).startswith("ready")
    await supervisor.stop()
