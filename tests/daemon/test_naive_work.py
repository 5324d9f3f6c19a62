"""Each way to lose or spoil a photo in work, shown twice: the usual way it happens, here it does not.

As ``test_naive``, from the queue on: kills, full disks, deadly photos, two services, what systemd is told.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from sdnotify import SystemdNotifier
from tests.daemon.conftest import Hot, wait_for
from tests.daemon.naive import PopQueue, SizeStands, feed_by_timer, write_in_place
from tests.daemon.test_journal import ME
from tests.daemon.test_nas import QUICK, Space, end, space
from tests.daemon.test_publish import SET_1, Maker, maker

from retouchd import naming
from retouchd.errors import BadName, SourceChanged
from retouchd.jobs import Signature, State
from retouchd.notify import Notifier
from retouchd.results import publish
from retouchd.state.journal import Journal

__all__ = ["maker", "space"]


def killed(act: Callable[[Callable[[], None]], object], step: int) -> bool:
    """Run in a process of its own that is killed when it calls for the nth time; whether it was."""
    pid = os.fork()
    if pid == 0:
        calls = iter(range(step, -1, -1))

        def alive() -> None:
            if next(calls) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            act(alive)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_a_result_written_in_place_is_half_a_file_after_a_kill(maker: Maker, tmp_path: Path) -> None:
    """[1] 100 kills over 300 photos: ``benchmarks.soak``; with the fake engine: test_service."""
    target = tmp_path / "naive.tif"
    assert killed(lambda alive: write_in_place(target, [b"first half ", b"second half"], alive), 0)
    assert target.read_bytes() == b"first half "

    parcel, steps = maker(), 0
    staged = {s.path.read_bytes() for s in parcel.files.values()}
    while killed(lambda alive: publish.publish(replace(parcel, alive=alive)), steps):
        there = [maker.folder / name for name in maker.listing()]
        shown = [p for p in there if not naming.is_part(p.name) and p.suffix != ".json"]
        assert {p.read_bytes() for p in shown if p.stat().st_size} <= staged | {b"v1"}
        steps += 1
    assert steps >= len(parcel.files)
    assert maker.listing() == SET_1


def test_a_queue_that_deletes_first_loses_what_was_in_work(tmp_path: Path) -> None:
    """[1] As huey does: 12 jobs and 3 kills left 8 results."""
    queue = PopQueue(tmp_path / "naive.sqlite")
    queue.put("a.tif")
    path = tmp_path / "a.tif"
    ours = Journal.create(tmp_path / "state")
    ours.see(os.fsencode(path), b"/", Signature(1, 2, 3, 4, 5), "")
    row = ours.find(os.fsencode(path))
    assert row
    ours.save(replace(row, state=State.QUEUED))
    queue.db.close()
    ours.close()

    def work(alive: Callable[[], None]) -> None:
        PopQueue(tmp_path / "naive.sqlite").pop()
        mine = Journal.create(tmp_path / "state")
        found = mine.next_queued([b"/"])
        assert found
        mine.claim(found, ME)
        alive()

    assert killed(work, 0)
    assert PopQueue(tmp_path / "naive.sqlite").pop() is None
    ours = Journal.create(tmp_path / "state")
    ours.reclaim(type(ME)("the next"))
    assert [r.file.name for r in ours.listed((State.QUEUED,))] == ["a.tif"]
    ours.close()


def test_a_photo_rewritten_in_work_gets_the_result_of_its_old_pixels(maker: Maker, tmp_path: Path) -> None:
    """[6] And is done again, once: test_nas."""
    parcel = maker()
    parcel.source.write_bytes(b"new pixels")
    write_in_place(tmp_path / "naive.tif", [parcel.files["result"].path.read_bytes()])
    assert b"of v1" in (tmp_path / "naive.tif").read_bytes()

    with pytest.raises(SourceChanged):
        publish.publish(parcel)
    assert maker.listing() == ["IMG.tif"]


def test_a_name_with_a_newline_is_a_command_to_exiftool(tmp_path: Path) -> None:
    """[7] Our wrapper refuses each such name: test_codec_exiftool; a whole folder of them: test_hostile."""
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed here")
    tifffile.imwrite(tmp_path / "good.tif", np.zeros((8, 8, 3), np.uint8), photometric="rgb")
    name = 'good.tif\n-if\nsystem("touch PWNED") or 1'
    subprocess.run(
        ["exiftool", "-stay_open", "True", "-@", "-"],
        input=f"-json\n{name}\n-execute\n-stay_open\nFalse\n",
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (tmp_path / "PWNED").exists()

    with pytest.raises(BadName):
        naming.first_set(tmp_path / name, tmp_path)


def test_a_result_on_a_full_disk_is_half_a_file(hot: Hot, space: Space) -> None:
    """[9] On 40 MB; that it waits, costs no attempt and goes on by itself: test_nas."""
    space.do("mount", "-t", "tmpfs", "-o", "size=40m", "none", hot.folder)
    inside = space.at(hot.folder)
    (inside / "filler").write_bytes(bytes(36_000_000))
    with pytest.raises(OSError, match="No space left"):
        write_in_place(inside / "naive-retouched.tif", [bytes(1_000_000)] * 8)
    assert 0 < (inside / "naive-retouched.tif").stat().st_size < 8_000_000
    (inside / "naive-retouched.tif").unlink()

    (inside / "a.tif").write_bytes(b"photo " + bytes(2_000_000))
    process = hot.start(before=QUICK, inside=space.enter)
    wait_for(lambda: [r for r in hot.rows() if r["code"] == "disk-full"])
    assert not list(inside.glob("*-retouched*"))
    (inside / "filler").unlink()
    wait_for(lambda: hot.rows("done"))
    end(process)
    assert (inside / "a-retouched.tif").stat().st_size > 2_000_000


def test_one_deadly_photo_ends_a_service_without_a_worker(hot: Hot) -> None:
    """[20] Quarantined after the second death; the daemon and the other photos go on."""
    for name, data in (("a.tif", b"KILL"), ("b.tif", b"photo")):
        hot.drop(name, data)

    def naive(alive: Callable[[], None]) -> None:
        for photo in sorted(hot.folder.glob("*.tif")):
            if photo.read_bytes() == b"KILL":
                alive()
            photo.with_suffix(".done").touch()

    assert killed(naive, 0)
    assert not list(hot.folder.glob("*.done"))

    process = hot.start()
    wait_for((hot.folder / "b-retouched.tif").exists)
    wait_for(lambda: hot.rows("quarantined"))
    end(process)
    assert [Path(r["file"]).name for r in hot.rows("quarantined")] == ["a.tif"]


def test_two_services_that_ask_first_and_write_then_do_it_twice(tmp_path: Path) -> None:
    """[16] Two daemons, each with a state of its own, on one folder: test_service."""
    first, second = SizeStands(tmp_path), SizeStands(tmp_path)
    (tmp_path / "a.tif").write_bytes(b"photo")
    for naive in (first, second, first, second):
        naive.look()
    assert first.times == second.times == ["a.tif"]

    (tmp_path / "ours").mkdir()
    maker = Maker(tmp_path / "ours")
    ours = publish.publish(maker(token="one-1"))
    theirs = publish.publish(maker(token="two-1"))
    assert (ours.adopted, theirs.adopted) == (False, True)
    assert maker.listing() == SET_1


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of systemd, as the tests read it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0.3)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        yield listening


def heard(listening: socket.socket) -> list[bytes]:
    try:
        return list(iter(lambda: listening.recv(4096), b""))
    except TimeoutError:
        return []


def test_a_status_in_polish_never_reaches_systemd(systemd: socket.socket) -> None:
    """[14] The whole transcript: test_service."""
    SystemdNotifier().notify("WATCHDOG=1\nSTATUS=processing Kraków_łąka.tif")
    with pytest.raises(TimeoutError):
        systemd.recv(4096)

    Notifier().status("processing Kraków_łąka.tif")
    assert systemd.recv(4096) == b"STATUS=processing Krak\\xf3w_\\u0142\\u0105ka.tif"


def test_a_watchdog_fed_by_a_timer_outlives_a_hanging_scanner(systemd: socket.socket) -> None:
    """[14] With the daemon itself and a scanner that hangs: test_service."""
    timer, ours = SystemdNotifier(), Notifier()
    ours.alive()
    assert systemd.recv(4096) == b"WATCHDOG=1"
    time.sleep(0.3)  # the scanner hangs: no turn of the loop, so nobody calls alive()
    assert heard(systemd) == []

    ended = feed_by_timer(lambda: timer.notify("WATCHDOG=1"), 0.02)
    time.sleep(0.3)
    ended.set()
    assert systemd.recv(4096) == b"WATCHDOG=1"
