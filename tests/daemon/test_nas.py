"""A NAS in the night: shares that go away, disks that fill up, copies that take their time, lost events.

Each of these loses photos, or makes wrong ones, in a hot folder that believes events, sizes or an empty
folder. Mounts are real ones, in a mount namespace of their own; where that is not permitted the test says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.daemon.conftest import Hot, wait_for
from tests.daemon.test_journal import Clock

from retouch_engine import Correction, Corrections, Wish
from retouchd.config.settings import Settings
from retouchd.jobs import State
from retouchd.results import corrections, record
from retouchd.results.corrections import Memory
from retouchd.state.journal import Journal
from retouchd.watch.intake import Intake
from retouchd.watch.wake import Wake

QUICK = (
    "from retouchd.work import verdicts; "
    "verdicts.WAIT_S.update({'disk-full': 0.5, 'folder': 0.5, 'folder-waits': 0.5})"
)


@dataclass
class Space:
    """A mount namespace that a sleeping process keeps."""

    pid: int

    @property
    def enter(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--mount", f"--wd={Path.cwd()}"]

    def do(self, *words: str | Path) -> None:
        subprocess.run([*self.enter, *words], check=True, capture_output=True)

    def at(self, path: Path) -> Path:
        """A path in there, as it is reached from out here."""
        return Path(f"/proc/{self.pid}/root") / path.relative_to("/")

    def unmount(self, path: Path) -> None:
        def gone() -> bool:
            done = subprocess.run([*self.enter, "umount", path], check=False, capture_output=True)
            return done.returncode == 0

        wait_for(gone, "the mount to be idle")


@pytest.fixture
def space() -> Iterator[Space]:
    if not all(shutil.which(tool) for tool in ("unshare", "nsenter", "mount", "umount")):
        pytest.skip("unshare, nsenter and mount are not installed here")
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", "echo in; exec sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert keeper.stdout
    try:
        if keeper.stdout.readline() != b"in\n":
            pytest.skip("this user may not make a mount namespace")
        yield Space(keeper.pid)
    finally:
        keeper.kill()
        keeper.communicate()


def calls(hot: Hot) -> list[str]:
    path = Path(hot.env["FAKE_CALLS"])
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def counted(hot: Hot) -> Hot:
    """A hot folder whose engine writes down what it was given."""
    hot.env = {**hot.env, "FAKE_CALLS": str(hot.base / "calls")}
    return hot


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    assert process.wait(60) == 0


def test_a_share_that_goes_away_in_the_middle_and_returns(counted: Hot, space: Space) -> None:
    hot, disk = counted, counted.base / "disk"
    disk.mkdir()
    space.do("mount", "-t", "tmpfs", "none", disk)
    space.do("mount", "--bind", disk, hot.folder)
    (space.at(disk) / "a.tif").write_bytes(b"one")
    process = hot.start(before=QUICK, inside=space.enter)
    wait_for(lambda: len(hot.rows("done")) == 1)
    (space.at(disk) / "b.tif").write_bytes(b"two SLEEP=2")
    (space.at(disk) / "c.tif").write_bytes(b"three")
    wait_for(lambda: hot.rows("running"))
    space.unmount(hot.folder)
    wait_for(lambda: hot.rows("rendered"), "the finished render to wait")
    wait_for(lambda: "offline" in hot.about("status").stdout)

    assert "no longer mounted" in hot.about("why", hot.folder / "b.tif").stdout
    # The third photo waits as well; on a busy machine it was tried before the mount was missed.
    assert {r["state"] for r in hot.rows()} - {"retry"} | {"queued"} == {"done", "rendered", "queued"}
    assert list(space.at(hot.folder).iterdir()) == []
    space.do("mount", "--bind", disk, hot.folder)
    wait_for(lambda: len(hot.rows("done")) == 3)
    end(process)
    assert calls(hot) == ["a.tif", "b.tif", "c.tif"]
    names = sorted(p.name for p in space.at(disk).glob("*-retouched*.tif"))
    assert names == ["a-retouched.tif", "b-retouched.tif", "c-retouched.tif"]


def test_a_share_that_comes_and_goes_over_what_systemd_mounts_there_itself(
    counted: Hot, space: Space
) -> None:
    hot, disk = counted, counted.base / "disk"
    disk.mkdir()
    space.do("mount", "-t", "tmpfs", "none", disk)
    (space.at(disk) / "a.tif").write_bytes(b"one")
    space.do("mount", "--bind", hot.folder, hot.folder)  # ReadWritePaths=
    process = hot.start(before=QUICK, inside=space.enter)
    wait_for(lambda: "online" in hot.about("status").stdout)
    space.do("mount", "--bind", disk, hot.folder)
    wait_for(lambda: len(hot.rows("done")) == 1)
    space.unmount(hot.folder)

    wait_for(lambda: "is no longer mounted" in hot.about("status").stdout)
    (space.at(disk) / "b.tif").write_bytes(b"two")
    space.do("mount", "--bind", disk, hot.folder)
    wait_for(lambda: len(hot.rows("done")) == 2)
    end(process)
    assert calls(hot) == ["a.tif", "b.tif"]


def test_a_folder_that_takes_no_results_is_told_before_the_night(counted: Hot, space: Space) -> None:
    hot = counted
    space.do("mount", "-t", "tmpfs", "none", hot.folder)
    (space.at(hot.folder) / "a.tif").write_bytes(b"one")
    space.do("mount", "-o", "remount,ro", hot.folder)
    process = hot.start(before=QUICK, inside=space.enter)
    wait_for(lambda: "1 rendered and not yet written" in hot.about("status").stdout)

    because = "results cannot be written: read-only; a systemd unit opens what"
    assert because in hot.about("status").stdout
    assert f"`systemctl edit retouchd@NAME`, ReadWritePaths=-{hot.folder}" in hot.about("status").stdout
    asked = [*space.enter, sys.executable, "-m", "retouchd", "doctor", "--config", str(hot.config)]
    doctor = subprocess.run(asked, env=hot.env, capture_output=True, text=True, check=False)
    assert f"LOOK  watched {hot.folder}" in doctor.stdout, doctor.stdout
    assert because in doctor.stdout
    told = [line for line in hot.log().splitlines() if '"results cannot be written"' in line]
    assert len(told) == 1, "each look said so anew"
    space.do("mount", "-o", "remount,rw", hot.folder)
    wait_for(lambda: hot.rows("done"))
    wait_for(lambda: "cannot be written" not in hot.about("status").stdout)
    end(process)


def test_a_full_disk_is_waited_for_and_costs_no_attempt(counted: Hot, space: Space) -> None:
    hot = counted
    space.do("mount", "-t", "tmpfs", "-o", "size=40m", "none", hot.folder)
    inside = space.at(hot.folder)
    (inside / "filler").write_bytes(bytes(20_000_000))
    (inside / "a.tif").write_bytes(b"photo " + bytes(4_000_000))
    process = hot.start(before=QUICK, inside=space.enter)
    wait_for(lambda: [r for r in hot.rows("rendered") if r["code"] == "disk-full"])
    time.sleep(2)
    (row,) = hot.rows()
    assert (row["state"], row["attempts"]) == ("rendered", 0)
    assert "free some space" in row["reason"]
    assert not list(inside.rglob("*.part"))
    assert not list(inside.glob("*-retouched*"))
    (inside / "filler").unlink()
    wait_for(lambda: hot.rows("done"))
    end(process)
    assert calls(hot) == ["a.tif"]
    assert (inside / "a-retouched.tif").stat().st_size > 4_000_000


def test_a_full_disk_of_one_client_pauses_no_other(hot: Hot, space: Space) -> None:
    """What a person had decided was to be written there for a copy: nothing was done for 30 seconds."""
    photo, client = hot.drop("a.tif"), hot.folder / "client"
    assert hot.process(photo).returncode == 0
    told = record.read(hot.folder / "_retouchd/a.json")
    assert told
    wishes = Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
    corrections.write(photo, hot.folder, Memory("a.tif", record.source_digest(told), wishes))
    client.mkdir()
    space.do("mount", "-t", "tmpfs", "-o", "size=1m", "none", client)
    for_ever = "from retouchd.work import room; room.FIRST_PAUSE_S = 1e9"
    process = hot.start(before=for_ever, inside=space.enter)
    wait_for(lambda: hot.rows("done"))
    (space.at(client) / "filler").write_bytes(bytes((1 << 20) - 4096))
    (space.at(client) / "copy.tif").write_bytes(photo.read_bytes())
    wait_for(lambda: [r for r in hot.rows("retry") if r["code"] == "disk-full"])
    hot.drop("other.tif", b"of another client")
    wait_for(lambda: len(hot.rows("done")) == 2)
    end(process)


def test_a_folder_that_takes_no_results_does_not_fill_the_state_folder(counted: Hot, space: Space) -> None:
    """One unwritable folder had its whole shoot rendered, until the state folder was full for all others."""
    hot, client = counted, counted.folder / "client"
    client.mkdir()
    space.do("mount", "-t", "tmpfs", "none", client)
    for i in range(9):
        (space.at(client) / f"{i}.tif").write_bytes(b"photo %d" % i)
    space.do("mount", "-o", "remount,ro", client)
    process = hot.start(before=QUICK, inside=space.enter)
    wait_for(lambda: len([r for r in hot.rows("retry") if r["code"] == "folder-waits"]) >= 4)
    assert len(calls(hot)) <= 5  # the next is rendered while the last is found to have no place
    assert "Read-only" in hot.about("why", client / "8.tif").stdout
    hot.drop("other.tif", b"of another client")
    wait_for(lambda: hot.rows("done"))

    space.do("mount", "-o", "remount,rw", client)
    wait_for(lambda: len(hot.rows("done")) == 10)
    end(process)
    assert sorted(calls(hot)) == [*(f"{i}.tif" for i in range(9)), "other.tif"]


def test_who_asks_is_answered_while_a_slow_share_takes_results(counted: Hot) -> None:
    """Rendering was faster than the share: there was always something to do, and all else waited for it."""
    hot, fast = counted, counted.base / "fast"
    for i in range(60):
        hot.drop(f"{i}.tif", bytes(100 + i))
    slow = (
        "import os, time\nfrom retouchd.results import publish\nreal = publish.publish\n"
        "def publishing(parcel):\n"
        f"    os.path.exists({str(fast)!r}) or time.sleep(0.5)\n"
        "    return real(parcel)\npublish.publish = publishing"
    )
    process = hot.start(before=slow)
    wait_for(lambda: hot.rows("done"))
    assert hot.about("pause").returncode == 0
    assert hot.rows("queued")
    hot.drop("late.tif")
    wait_for(lambda: any(r["file"].endswith("late.tif") for r in hot.rows()))
    fast.touch()
    end(process)
    assert hot.rows("queued")


def test_a_full_state_folder_is_waited_for(counted: Hot, space: Space) -> None:
    hot = counted
    hot.state.mkdir()
    space.do("mount", "-t", "tmpfs", "-o", "size=12m", "none", hot.state)
    filler = space.at(hot.state) / "filler"
    process = hot.start(inside=space.enter)
    wait_for(lambda: '"ready"' in hot.log())
    room = os.statvfs(space.at(hot.state))
    with filler.open("wb") as file:
        file.write(bytes(room.f_bavail * room.f_frsize - 600_000))
    hot.drop("a.tif", bytes(500_000))
    wait_for(lambda: "all work waits" in hot.log())
    filler.unlink()
    wait_for((hot.folder / "a-retouched.tif").exists)
    assert calls(hot) == ["a.tif"]
    end(process)


def test_a_state_folder_that_is_full_at_the_start_is_waited_for(counted: Hot, space: Space) -> None:
    """It ended the service as a mistake in the settings does: systemd never started it again."""
    hot = counted
    hot.state.mkdir()
    space.do("mount", "-t", "tmpfs", "-o", "size=12m", "none", hot.state)
    filler = space.at(hot.state) / "filler"
    filler.write_bytes(bytes(11 << 20))
    process = hot.start(inside=space.enter)
    hot.drop("a.tif")
    wait_for(lambda: "free some space" in hot.log())
    end(process)

    process = hot.start(inside=space.enter)
    wait_for(lambda: hot.log().count("free some space") == 2)
    filler.unlink()
    wait_for((hot.folder / "a-retouched.tif").exists)
    end(process)


def _hour_fast(until: Path) -> str:
    """Said before the service starts: its clock is an hour fast until a file is there."""
    return (
        "import os, time; right = time.time; "
        f"time.time = lambda: right() + (0 if os.path.exists({str(until)!r}) else 3600)"
    )


def test_no_photo_waits_for_a_clock_that_is_set_back_while_the_service_runs(counted: Hot) -> None:
    """As on a machine that learns the time late: tries that were seconds away came an hour later."""
    hot, right = counted, counted.base / "right"
    process = hot.start(before=f"{_hour_fast(right)}; from retouchd.work import room; room.FIRST_PAUSE_S = 2")
    hot.drop("cut.tif", b"INCOMPLETE")
    wait_for(lambda: [r for r in hot.rows("settling") if r["attempts"] == 1])
    in_the_way = hot.drop("_retouchd", b"a file where the folder of results belongs")
    hot.drop("a.tif")
    wait_for(lambda: [r for r in hot.rows("retry") if r["code"] == "folder"])
    assert calls(hot) == ["cut.tif"]
    in_the_way.unlink()
    full = hot.drop("full.tif", b"FULL")
    wait_for(lambda: [r for r in hot.rows("retry") if r["code"] == "disk-full"])
    right.touch()
    hot.drop("new.tif", b"another photo")
    wait_for(lambda: len(hot.rows("done")) == 2)
    wait_for(lambda: min(calls(hot).count(name) for name in ("cut.tif", full.name)) >= 2)
    end(process)
    names = sorted(p.name for p in hot.folder.glob("*-retouched*.tif"))
    assert names == ["a-retouched.tif", "new-retouched.tif"]
    assert [calls(hot).count(name) for name in ("a.tif", "new.tif")] == [1, 1]


def test_every_photo_is_found_without_a_single_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hot folders that live on events find none of these 2,000; 20,000 are in ``benchmarks.soak``."""
    monkeypatch.setattr(Wake, "watch", lambda *_, **__: "suppressed")
    hot, clock = tmp_path / "hot", Clock()
    hot.mkdir()
    journal = Journal.create(tmp_path / "state", clock)
    watching = Settings.model_validate({"watch": [{"path": str(hot)}]})
    intake = Intake(watching, journal, clock=clock, table=list, wake=Wake(lambda _: None))
    outside = tmp_path / "outside"
    outside.mkdir()
    for i in range(2000):
        folder = hot / f"shoot {i % 7}" / f"{i % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (outside / "x").write_bytes(b"photo")
        if i % 2:
            (outside / "x").rename(folder / f"{i}.tif")
        else:
            os.link(outside / "x", folder / f"{i}.tif")
            (outside / "x").unlink()
        if i % 500 == 0:
            clock.now += 3
            intake.look()
    for _ in range(4):
        clock.now += 3
        intake.look()
    assert len(journal.listed((State.QUEUED,))) == 2000
    journal.close()


def test_every_photo_is_found_when_the_kernel_has_no_watches_left(counted: Hot) -> None:
    """With room for five watches a hot folder that lives on events sees the files of five subfolders."""
    hot = counted
    names = [f"{i:02d}/{i}.tif" for i in range(12)]
    for name in names:
        hot.drop(name, f"photo {name}".encode())
    limit = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
    tried = subprocess.run([*inside, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no user namespace here: {tried.stderr.strip()}")
    process = hot.start(inside=inside)
    wait_for(lambda: len(hot.rows("done")) == len(names))
    late = hot.drop("11/late.tif", b"after the start")
    wait_for(lambda: hot.folder.joinpath("11/late-retouched.tif").exists())
    assert f"{late.name}" in calls(hot)
    end(process)
    assert sorted(calls(hot)) == sorted([*(Path(n).name for n in names), "late.tif"])


def test_a_copy_whose_size_was_set_in_advance_is_waited_for(counted: Hot) -> None:
    """As Windows Explorer and several NAS clients write: the size is final from the first moment on."""
    hot, whole = counted, b"whole photo"
    process = hot.start()
    wait_for(lambda: '"ready"' in hot.log())

    def copy() -> None:
        with (hot.folder / "a.tif").open("wb") as file:
            file.truncate(len(whole))
            file.flush()
            time.sleep(3)  # far longer than settle_local_s
            file.write(whole)

    writer = threading.Thread(target=copy)
    writer.start()
    wait_for(lambda: "still has it open" in hot.about("why", hot.folder / "a.tif").stdout)
    writer.join()
    wait_for(lambda: hot.rows("done"))
    end(process)
    assert calls(hot) == ["a.tif"]
    assert whole in (hot.folder / "a-retouched.tif").read_bytes()


def test_a_photo_that_is_rewritten_while_it_is_retouched(counted: Hot) -> None:
    hot = counted
    photo = hot.drop("a.tif", b"old SLEEP=5")
    process = hot.start()
    wait_for(lambda: calls(hot))
    photo.write_bytes(b"new photo    ")
    wait_for((hot.folder / "a-retouched.tif").exists)
    wait_for(lambda: hot.rows("done"))
    end(process)
    assert b"new photo" in (hot.folder / "a-retouched.tif").read_bytes()
    assert [p.name for p in hot.folder.glob("*-retouched*.tif")] == ["a-retouched.tif"]
    assert calls(hot) == ["a.tif", "a.tif"]
