"""Each way to miss a photo or to take it too early, shown twice: the usual way it happens, here it does not.

The names of the tests say what happens the usual way. Numbers in brackets are those of the acceptance list of
the service's plan; what needs a whole daemon is tested beside it, in the tests that each docstring names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.daemon.conftest import Hot, wait_for
from tests.daemon.naive import EventsOnly, SizeStands
from tests.daemon.test_journal import Clock, Desk, desk, journal
from tests.daemon.test_nas import QUICK, Space, end, space

from retouchd.jobs import State
from retouchd.mounts import Mount

__all__ = ["desk", "journal", "space"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def local(desk: Desk) -> Desk:
    desk.table[:] = [Mount(Path("/"), "ext4", "a")]
    return desk


def looked(desk: Desk, times: int = 4) -> list[str]:
    """The photos that were queued after some looks."""
    for _ in range(times):
        desk.look()
    return sorted(row.file.name for row in desk.journal.listed((State.QUEUED,)))


def test_events_alone_miss_what_is_moved_or_linked_in(desk: Desk, tmp_path: Path) -> None:
    """[2] 2,000 and 20,000 photos without any event: test_nas, ``benchmarks.soak``."""
    naive = EventsOnly(desk.hot)
    for name in ("moved.tif", "linked.tif"):
        (tmp_path / name).write_bytes(b"photo")
    (tmp_path / "moved.tif").rename(desk.hot / "moved.tif")
    os.link(tmp_path / "linked.tif", desk.hot / "linked.tif")
    (desk.hot / "written.tif").write_bytes(b"photo")
    wait_for(lambda: naive.taken)
    naive.close()

    assert naive.taken == ["written.tif"]
    assert looked(desk) == ["linked.tif", "moved.tif", "written.tif"]


def watching(folder: Path, *inside: str) -> subprocess.Popen[str]:
    """The naive folder in a process of its own; it prints what it takes."""
    naive = subprocess.Popen(
        [*inside, sys.executable, "-m", "tests.daemon.naive", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert naive.stdout
    assert naive.stdout.readline() == "watching\n"
    return naive


def test_events_alone_end_with_the_mount(hot: Hot, space: Space) -> None:
    """[3] Rows kept, finished renders published after the return: test_nas."""
    inside = space.at(hot.folder)
    space.do("mount", "-t", "tmpfs", "one", hot.folder)
    naive = watching(hot.folder, *space.enter[:-1], f"--wd={Path.cwd()}")
    process = hot.start(before=QUICK, inside=space.enter)
    (inside / "a.tif").write_bytes(b"photo a")
    wait_for((inside / "a-retouched.tif").exists)
    space.unmount(hot.folder)
    wait_for(lambda: "offline" in hot.about("status").stdout)
    space.do("mount", "-t", "tmpfs", "two", hot.folder)
    (inside / "b.tif").write_bytes(b"photo b")
    wait_for((inside / "b-retouched.tif").exists)
    end(process)
    told, _ = naive.communicate("")

    assert "a.tif" in told
    assert "b.tif" not in told


def test_events_alone_stop_at_the_limit_of_watches(tmp_path: Path) -> None:
    """[4] The daemon under this limit finds all of them: test_nas."""
    limit = 'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
    tried = subprocess.run([*inside, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no user namespace here: {tried.stderr.strip()}")
    folders = [tmp_path / f"{i:02d}" for i in range(12)]
    for folder in folders:
        folder.mkdir()
    naive = watching(tmp_path, *inside)
    for folder in (*folders, tmp_path):
        (folder / f"{folder.name}.tif").write_bytes(b"photo")
    assert naive.stdout
    told = list(iter(naive.stdout.readline, f"{tmp_path.name}.tif\n"))
    naive.communicate("")

    assert 0 < len(told) < len(folders)


def test_a_size_that_stands_still_is_no_whole_file(desk: Desk) -> None:
    """[5] An uncompressed TIFF, its size set in advance, half of it still zeros: black skin, and no error."""
    whole = tmp_tiff(desk.hot.parent / "whole.tif")
    naive = SizeStands(local(desk).hot)
    with (desk.hot / "a.tif").open("wb", buffering=0) as file:
        file.write(whole[: len(whole) // 2])
        file.truncate(len(whole))
        for _ in range(2):
            naive.look()
        wrong = desk.hot.parent / "wrong.tif"
        wrong.write_bytes(naive.taken["a.tif"])
        assert tifffile.imread(wrong)[-1].max() == 0
        assert looked(desk) == []
        assert desk.state("a.tif")[1] == "a program still has it open for writing"
        file.write(whole[len(whole) // 2 :])
    assert looked(desk) == ["a.tif"]


def tmp_tiff(path: Path) -> bytes:
    pixels = np.full((64, 48, 3), 30_000, np.uint16)
    tifffile.imwrite(path, pixels, photometric="rgb", metadata=None)
    return path.read_bytes()


def test_size_and_time_miss_a_rewrite_that_puts_the_time_back(desk: Desk) -> None:
    naive, photo = SizeStands(local(desk).hot), desk.hot / "a.tif"
    photo.write_bytes(b"old pixels")
    before = photo.stat()
    naive.look()
    desk.look()
    photo.write_bytes(b"new pixels")
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    naive.look()
    desk.look()

    assert "a.tif" in naive.taken
    assert desk.state("a.tif") == (State.SETTLING, "rewritten with its old time")


def test_patience_that_ends_loses_a_slow_copy(desk: Desk) -> None:
    naive, photo = SizeStands(desk.hot, patience=5), desk.hot / "a.tif"
    for size in range(1, 40):
        photo.write_bytes(b"x" * size)
        naive.look()
        desk.look()
    for _ in range(5):
        naive.look()

    assert naive.ignored == {"a.tif"}
    assert naive.taken == {}
    assert looked(desk) == ["a.tif"]


def test_an_empty_folder_is_not_a_deleted_shoot(desk: Desk) -> None:
    """[3] The usual way everything is forgotten, and done again when the share returns."""
    naive, mounted = SizeStands(desk.hot), list(desk.table)
    (desk.hot / "a.tif").write_bytes(b"photo")
    for _ in range(3):
        naive.look()
        desk.look()
    row = desk.journal.find(os.fsencode(desk.hot / "a.tif"))
    assert row
    desk.journal.save(replace(row, state=State.DONE))
    share = desk.hot.rename(desk.hot.parent / "share")
    desk.hot.mkdir()
    del desk.table[1:]
    naive.look()
    desk.look()
    desk.hot.rmdir()
    share.rename(desk.hot)
    desk.table[:] = mounted
    for _ in range(3):
        naive.look()
        desk.look()

    assert naive.times == ["a.tif", "a.tif"]
    assert desk.state("a.tif")[0] == State.DONE


def test_a_folder_that_takes_its_own_results_never_ends(desk: Desk) -> None:
    """[8] Names, marks, digests and the circuit breaker: test_service, test_left_out, test_guards."""
    naive = SizeStands(desk.hot)
    (desk.hot / "a.tif").write_bytes(b"photo")
    for _ in range(10):
        before = len(naive.times)
        naive.look()
        for name in naive.times[before:]:
            (desk.hot / f"{Path(name).stem}-retouched.tif").write_bytes(b"result")

    assert "a-retouched-retouched-retouched.tif" in naive.taken
    assert looked(desk) == ["a.tif"]
