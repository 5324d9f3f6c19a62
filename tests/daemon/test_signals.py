"""Who is told to end does so in order: at its start, in its work and while it clears up."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.daemon.conftest import FAKE, Hot, environment, wait_for

TOLD_TO_STOP = """
import os, signal
from retouchd.work.dispatch import Dispatcher
recover = Dispatcher.recover
def stopped(self):
    os.kill(os.getpid(), signal.SIGTERM)
    recover(self)
Dispatcher.recover = stopped
"""


@pytest.fixture(autouse=True)
def not_below_nohup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_was_staged_goes_when_process_is_ended(hot: Hot, ended_by: signal.Signals) -> None:
    scratch = hot.base / "tmp"
    scratch.mkdir()
    hot.drop("slow.tif", b"SLEEP=30")
    command = [sys.executable, "-m", "retouchd", "process", "hot/slow.tif", "--engine", FAKE]
    env = {**hot.env, "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, env=env, cwd=hot.base, stderr=subprocess.PIPE)
    hot.running.append(process)
    wait_for(lambda: list(scratch.glob("retouchd-*/job-*")), "work")
    process.send_signal(ended_by)

    _, said = process.communicate(timeout=60)
    assert (process.returncode, b"interrupted" in said) == (130, True)
    assert list(scratch.iterdir()) == []
    assert not (hot.folder / "_retouchd").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_twice_does_not_end_the_clearing_up(number: signal.Signals) -> None:
    twice = (
        "import os; from retouchd.cli import _end_as_by_ctrl_c as prepare; prepare()\n"
        f"try: os.kill(os.getpid(), {number:d})\n"
        f"except KeyboardInterrupt: os.kill(os.getpid(), {number:d}); print('cleared up')"
    )
    told = subprocess.run([sys.executable, "-c", twice], env=environment(), capture_output=True, check=False)
    assert (told.returncode, told.stdout) == (0, b"cleared up\n")


def test_a_service_that_is_told_to_stop_while_it_starts_ends_well(hot: Hot) -> None:
    """Systemd took its exit code, that of an interrupted command, for a failure."""
    process = hot.start(before=TOLD_TO_STOP)
    assert process.wait(60) == 0
    assert '"stopped"' in hot.log()


def test_a_service_that_is_told_to_stop_before_it_starts_is_ended_by_the_signal(hot: Hot) -> None:
    told = "Service.run = lambda _: os.kill(os.getpid(), signal.SIGTERM)"
    process = hot.start(before=f"import os, signal\nfrom retouchd.app import Service\n{told}")
    assert process.wait(60) == -signal.SIGTERM
