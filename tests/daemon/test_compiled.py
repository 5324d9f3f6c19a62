"""Where the engine's compiled loops are kept: a service may write to its state folder alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retouch_engine.kernels import compiled
from retouchd.work.supervisor import WorkerPlan


def test_a_worker_keeps_what_it_compiles_where_the_service_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert WorkerPlan(compiled=tmp_path).environment()["NUMBA_CACHE_DIR"] == str(tmp_path)
    assert "NUMBA_CACHE_DIR" not in WorkerPlan().environment()


def test_who_set_the_folder_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    assert WorkerPlan(compiled=tmp_path).environment()["NUMBA_CACHE_DIR"] == "/elsewhere"


LOOP = """
import numpy as np
from retouch_engine.kernels.compiled import VALUES, kernel

@kernel(VALUES)
def total(values):
    found = 0.0
    for value in values:
        found += value
    return found

print(total(np.ones(3, np.float32)))
"""


def run(*arguments: str, folder: Path) -> str:
    told = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, *arguments], env=told, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_compiled_loop_is_kept_for_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    assert run(str(tmp_path / "loop.py"), folder=tmp_path / "compiled") == "3.0"
    assert list((tmp_path / "compiled").rglob("*.nbi"))


def test_only_its_owner_may_enter_the_folder_of_compiled_loops(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    before = os.umask(0o002)  # as the service's unit has it
    try:
        run(str(tmp_path / "loop.py"), folder=tmp_path / "compiled")
    finally:
        os.umask(before)
    (folder,) = (tmp_path / "compiled").iterdir()
    assert [f.stat().st_mode & 0o777 for f in (folder.parent, folder)] == [0o700, 0o700]


@pytest.mark.parametrize("what", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize("left", [0, 40])
def test_a_kept_loop_that_is_damaged_is_compiled_and_kept_anew(tmp_path: Path, what: str, left: int) -> None:
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    whole = {}
    for again in (False, True, True):
        assert run(str(tmp_path / "loop.py"), folder=tmp_path / "compiled") == "3.0"
        if not again:
            whole = {path: path.stat().st_size for path in (tmp_path / "compiled").rglob(what)}
            for path in whole:
                os.truncate(path, left)
    assert whole
    assert {path: path.stat().st_size for path in whole} == whole


def test_a_full_disk_costs_the_kept_loops_and_no_start(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    full = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
    told = run("-c", full + f"runpy.run_path({str(tmp_path / 'loop.py')!r})", folder=tmp_path / "compiled")
    assert told == "3.0"
    assert not list(tmp_path.rglob("*.nb?"))


def test_a_loop_that_cannot_be_kept_is_compiled_all_the_same(tmp_path: Path) -> None:
    """Numba knows no place for what comes from no file, as for a program that nobody may write beside."""
    assert run("-c", LOOP, folder=tmp_path / "compiled") == "3.0"
    assert not list(tmp_path.rglob("*.nbi"))


def earlier(place: Path, name: str, days: float, kept: str = "loop.total-5.py311.nbi") -> Path:
    """The folder of another version that was last started so many days ago."""
    folder = place / name
    (folder / "loop_0123").mkdir(parents=True)
    (folder / "loop_0123" / kept).write_bytes(b"code")
    then = time.time() - days * 86_400
    os.utime(folder, (then, then))
    return folder


def test_kept_loops_that_somebody_removed_are_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "_kept_in", [tmp_path / "gone"])
    with pytest.warns(UserWarning, match="each start compiles them"):
        compiled._do_without(OSError("stale"))
    assert compiled._kept_in == []


def test_what_earlier_versions_compiled_is_removed_when_none_was_started_for_a_month(tmp_path: Path) -> None:
    """Each update left 13 MB behind."""
    place = tmp_path / "compiled"
    old = earlier(place, "0123456789abcdef", 31)
    kept = [
        earlier(place, "0123456789abcde0", 29),
        earlier(place, "0123456789abcde1", 31, kept="diary.txt"),
        earlier(place, "numba_of_others", 31),
    ]
    elsewhere = earlier(tmp_path, "elsewhere", 31)
    (place / "0123456789abcde2").symlink_to(elsewhere)
    running = earlier(place, "0123456789abcde3", 31)
    held = os.open(running, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    for _ in range(2):
        assert run(str(tmp_path / "loop.py"), folder=place) == "3.0"
        assert not old.exists()
        assert all(list(folder.rglob("*.*")) for folder in (*kept, running, elsewhere))
    os.close(held)
    assert run(str(tmp_path / "loop.py"), folder=place) == "3.0"
    assert not running.exists()


def test_a_process_holds_what_it_compiled_and_shows_that_it_is_used(tmp_path: Path) -> None:
    asks = """
import fcntl, os, numba
folder = os.open(numba.config.CACHE_DIR, os.O_RDONLY)
try:
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("held")
"""
    (tmp_path / "loop.py").write_text(LOOP + asks, "utf-8")
    run(str(tmp_path / "loop.py"), folder=tmp_path / "compiled")
    (folder,) = (tmp_path / "compiled").iterdir()
    files = {path: path.stat().st_ino for path in folder.rglob("*.nb?")}
    os.utime(folder, (0, 0))
    assert run(str(tmp_path / "loop.py"), folder=tmp_path / "compiled") == "3.0\nheld"
    assert {path: path.stat().st_ino for path in folder.rglob("*.nb?")} == files, "its own is read, not swept"
    assert folder.stat().st_mtime > 0
