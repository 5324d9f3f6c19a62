"""The worker process and its keeper, over real pipes, with the fake engine."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import environment, wait_for

from retouch_engine import Correction, Corrections, Order, Recipe, Wish
from retouchd.jobs import Outcome
from retouchd.work import protocol, supervisor
from retouchd.work.supervisor import Supervisor, WorkerPlan


def until_ready(keeper: Supervisor) -> None:
    while not keeper.ready and keeper.failures < 3:
        keeper.keep_running()
        select.select([keeper.fd] if keeper.fd is not None else [], [], [], 0.1)
        list(keeper.poll())


def ask(keeper: Supervisor, tmp_path: Path, data: bytes, name: str = "a.tif", op: str = "retouch") -> Outcome:
    until_ready(keeper)
    source = tmp_path / name
    source.write_bytes(data)
    staging = tmp_path / "staging"
    staging.mkdir(exist_ok=True)
    keeper.send(protocol.order(op, Order(source, staging, Recipe())))
    return end_of(keeper)


def end_of(keeper: Supervisor) -> Outcome:
    while True:
        select.select([keeper.fd] if keeper.fd is not None else [], [], [], 0.1)
        for message in keeper.poll():
            if isinstance(message, Outcome):
                return message


def code(outcome: Outcome) -> str:
    assert outcome.failure
    return outcome.failure.code


def test_a_photo_comes_back_with_files_and_record(keeper: Supervisor, tmp_path: Path) -> None:
    outcome = ask(keeper, tmp_path, b"photo", "\udcff ü.tif")

    assert outcome.failure is None
    assert outcome.files["result"].read_bytes().startswith(b"made by retouchd")
    assert outcome.record["source"]["name"] == "\udcff ü.tif"
    assert keeper.stage == "heal"


@pytest.mark.parametrize(
    ("data", "expected", "retryable"),
    [
        (b"DAMAGED", "damaged", False),
        (b"INCOMPLETE", "incomplete", True),
        (b"made by retouchd", "own-output", False),
        (b"RAISE", "internal", False),
    ],
)
def test_failures_are_values(
    keeper: Supervisor, tmp_path: Path, data: bytes, expected: str, retryable: bool
) -> None:
    outcome = ask(keeper, tmp_path, data)

    assert outcome.failure
    assert (outcome.failure.code, outcome.failure.retryable) == (expected, retryable)
    assert "\n" not in outcome.failure.message
    assert keeper.ready


def test_what_libraries_print_does_not_break_the_protocol(keeper: Supervisor, tmp_path: Path) -> None:
    assert ask(keeper, tmp_path, b"PRINT").failure is None


def test_a_preview_writes_nothing(keeper: Supervisor, tmp_path: Path) -> None:
    outcome = ask(keeper, tmp_path, b"photo", op="preview")

    assert outcome.record["counts"]["healed"] == 1
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_worker_that_dies_is_told_apart_and_replaced(keeper: Supervisor, tmp_path: Path) -> None:
    first = ask(keeper, tmp_path, b"KILL")
    second = ask(keeper, tmp_path, b"photo")

    assert code(first) == "worker-died"
    assert "SIGKILL" in str(first.failure)
    assert second.failure is None


def test_a_photo_that_takes_too_long_is_stopped(keeper: Supervisor, tmp_path: Path) -> None:
    until_ready(keeper)
    keeper.job_seconds = 0.2

    assert code(ask(keeper, tmp_path, b"SLEEP=60")) == "time-limit"
    assert ask(keeper, tmp_path, b"photo").failure is None


def test_a_worker_that_waits_for_what_does_not_come_is_replaced(keeper: Supervisor, tmp_path: Path) -> None:
    until_ready(keeper)
    assert keeper.quiet_s == 0.0
    source, staging = tmp_path / "a.tif", tmp_path / "staging"
    source.write_bytes(b"SLEEP=600")
    keeper.send(protocol.order("retouch", Order(source, staging, Recipe())))
    assert keeper.quiet_s > 0.0
    keeper.let_go()
    assert code(end_of(keeper)) == "worker-stuck"
    assert ask(keeper, tmp_path, b"photo").failure is None


def test_a_worker_whose_answer_came_after_all_stays(keeper: Supervisor, tmp_path: Path) -> None:
    until_ready(keeper)
    before, source, staging = keeper.pid, tmp_path / "a.tif", tmp_path / "staging"
    source.write_bytes(b"photo")
    staging.mkdir()
    keeper.send(protocol.order("retouch", Order(source, staging, Recipe())))
    wait_for(lambda: keeper._read() or b'"done"' in keeper._buffer)
    keeper.let_go()
    assert end_of(keeper).failure is None
    list(keeper.poll())
    assert (keeper.pid, keeper.ready) == (before, True)


def test_a_worker_that_cannot_even_be_killed_is_left_behind(
    keeper: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that reads from some dead shares; it held the whole service."""
    until_ready(keeper)
    monkeypatch.setattr(supervisor, "_END_S", 0.1)
    killed = []

    def not_killed(process: subprocess.Popen[bytes]) -> None:
        killed.append(process)

    with monkeypatch.context() as patched:
        patched.setattr(subprocess.Popen, "kill", not_killed)
        keeper.job_seconds = 0.2
        assert code(ask(keeper, tmp_path, b"SLEEP=600")) == "time-limit"
    killed[0].kill()
    killed[0].wait()
    keeper.job_seconds = 30.0
    assert ask(keeper, tmp_path, b"photo").failure is None


def test_what_passes_while_nobody_looks_is_not_the_workers_time(keeper: Supervisor, tmp_path: Path) -> None:
    """A share that hung for longer than a photo may take: an answer that fills the pipe was cut short."""
    now = [0.0]
    watched = Supervisor(keeper.plan, job_seconds=900.0, clock=lambda: now[0])
    wishes = Corrections(tuple(Correction((x, 0, 5, 5), Wish.KEEP) for x in range(2000)))
    (tmp_path / "a.tif").write_bytes(b"photo")
    try:
        until_ready(watched)
        order = Order(tmp_path / "a.tif", tmp_path, Recipe(), corrections=wishes)
        watched.send(protocol.order("retouch", order))
        assert watched.fd is not None
        select.select([watched.fd], [], [])
        now[0] += 1000.0
        outcome = end_of(watched)

        assert outcome.failure is None
        assert len(outcome.record["corrections"]["spots"]) == 2000
        watched.stuck_s = 1e9
        watched.send({"op": "digest", "source": "/dev/zero"})
        while not isinstance(ended := next(watched.poll(), None), Outcome):
            now[0] += 5.0
        assert code(ended) == "time-limit"
    finally:
        watched.stop()


def test_a_signal_does_not_cut_a_long_order(keeper: Supervisor, tmp_path: Path) -> None:
    """What a pipe cannot take at once is written in pieces, and a signal ends the piece that it meets."""
    until_ready(keeper)
    worker = keeper.pid
    assert worker
    os.kill(worker, signal.SIGSTOP)  # so that the order fills the pipe
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(worker, signal.SIGCONT))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        keeper.send({"op": "digest", "source": str(tmp_path / "gone"), "padding": "x" * 300_000})
    finally:
        signal.signal(signal.SIGALRM, before)
    keeper.job_seconds = 20.0

    assert code(end_of(keeper)) == "io"


def test_a_photo_that_takes_too_long_is_stopped_by_a_daemon_that_always_looks_late(
    keeper: Supervisor,
) -> None:
    """Each result took half a minute on its way to a slow share: the limit was never reached that night."""
    now = [0.0]
    late = Supervisor(keeper.plan, job_seconds=900.0, clock=lambda: now[0])
    try:
        until_ready(late)
        late.stuck_s = 1e9
        late.send({"op": "digest", "source": "/dev/zero"})
        for _ in range(200):
            now[0] += 30.0
            if isinstance(ended := next(late.poll(), None), Outcome):
                break
        assert isinstance(ended, Outcome)
        assert code(ended) == "time-limit"
    finally:
        late.stop()


def test_an_engine_that_does_not_load_says_why(keeper: Supervisor) -> None:
    keeper.plan = WorkerPlan("fake_engine:broken")
    until_ready(keeper)

    assert keeper.failures == 3
    assert keeper.why_not_ready == "ImportError: no module named pixels"


def test_the_worker_dies_with_the_daemon(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "from retouchd.work.supervisor import Supervisor, WorkerPlan\n"
        "keeper = Supervisor(WorkerPlan('fake_engine:open_engine'), 60)\n"
        "while not keeper.ready: keeper.keep_running(); list(keeper.poll()); time.sleep(.02)\n"
        "keeper.send({'op': 'digest', 'source': '/dev/zero'})\n"
        "print(keeper.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as daemon:
        assert daemon.stdout
        worker = int(daemon.stdout.readline())
        watch = os.pidfd_open(worker)
        daemon.send_signal(signal.SIGKILL)
        readable, _, _ = select.select([watch], [], [], 30)
        os.close(watch)

    assert readable


@pytest.mark.parametrize("message", [{"a": "\udcff\n"}, {"b": [1, None, "ü"]}])
def test_messages_are_one_ascii_line(message: dict[str, Any]) -> None:
    line = protocol.encode(message)

    assert line.isascii()
    assert line.count(b"\n") == 1
    assert protocol.decode(line) == message


def test_what_the_system_refuses_is_told_with_its_file_and_without_python(keeper: Supervisor) -> None:
    until_ready(keeper)
    keeper.send({"op": "digest", "source": "/nowhere/a.tif"})
    answers: list[Outcome | dict[str, Any]] = []
    while not answers:
        select.select([keeper.fd] if keeper.fd is not None else [], [], [], 0.1)
        answers += keeper.poll()

    (outcome,) = answers
    assert isinstance(outcome, Outcome)
    assert outcome.failure
    assert outcome.failure.message == "No such file or directory: /nowhere/a.tif"
