"""The review page beside a dead share: what lies elsewhere is shown, and nobody waits for the rest."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import wait_for

from retouch_engine import RECORD_SCHEMA
from retouchd import knock
from retouchd.results import record
from retouchd.web.review.album import Album, places_of
from retouchd.web.review.site import Site
from retouchd.web.review.viewer import NoPicture, Tiles

DARKROOM = """
import json, os, sys, time
for line in sys.stdin:
    source = json.loads(line)["source"]
    while source.endswith("dead.jpg") or (source.endswith("slow.jpg") and not os.path.exists(source)):
        time.sleep(0.05)
    print('{"bytes": 4}', end="\\ntile", flush=True)
"""
"""A process for tiles that never gets a photo of a dead share, and one of a slow share when it is there."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knock, "PATIENCE_S", 0.3)


@pytest.fixture
def shoots(tmp_path: Path) -> dict[str, Path]:
    """Two folders with a finished photo each."""
    made = {}
    for name in ("well", "dead"):
        folder = made[name] = tmp_path / name
        (folder / "_retouchd").mkdir(parents=True)
        (folder / f"{name}.jpg").touch()
        told = {
            "schema": RECORD_SCHEMA,
            "source": {"name": f"{name}.jpg", "sha256": "0"},
            "counts": {"found": 1},
        }
        (folder / f"_retouchd/{name}.json").write_bytes(record.dump(told))
    return made


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch, shoots: dict[str, Path]) -> Iterator[threading.Event]:
    """Until this is set, whoever asks for the disk of the dead folder waits."""
    is_back = threading.Event()
    hang(monkeypatch, "statvfs", shoots["dead"], is_back)
    yield is_back
    is_back.set()


def hang(monkeypatch: pytest.MonkeyPatch, name: str, below: Path, back: threading.Event) -> None:
    real = getattr(os, name)

    def ask(path: Any, *more: Any, **named: Any) -> Any:
        if not isinstance(path, int) and Path(os.fsdecode(path)).is_relative_to(below):
            back.wait()
        return real(path, *more, **named)

    monkeypatch.setattr(os, name, ask)


def shown(album: Album) -> set[str]:
    album.forget()
    return {photo.name for shoot in album.shoots() for photo in shoot.photos}


def test_what_lies_on_no_dead_share_is_shown(shoots: dict[str, Path], back: threading.Event) -> None:
    """One dead NAS kept everybody from all photos, for as long as it was dead."""
    album = Album(places_of((folder, None) for folder in shoots.values()))
    assert shown(album) == {"well.jpg"}
    assert f"{shoots['dead']} does not answer" in Site(album, Tiles(1)).get("/").data.decode()
    back.set()
    wait_for(lambda: shown(album) == {"well.jpg", "dead.jpg"})
    assert not album.silent


def test_photos_whose_mirror_is_on_a_dead_share_are_not_shown(
    shoots: dict[str, Path], back: threading.Event
) -> None:
    album = Album(places_of([(shoots["well"], shoots["dead"])]))
    assert shown(album) == set()
    assert album.silent == (str(shoots["dead"]),)


def test_a_share_that_fails_keeps_nobody_from_the_others(
    monkeypatch: pytest.MonkeyPatch, shoots: dict[str, Path]
) -> None:
    """A dead share that is mounted softly answers by an error, and that was the end of the whole page."""
    album, real, fails = Album(places_of((folder, None) for folder in shoots.values())), os.scandir, [False]

    def scandir(path: Any) -> Any:
        if fails[0] and Path(os.fsdecode(path)) == shoots["dead"] / "_retouchd":
            raise OSError(errno.EHOSTDOWN, "Host is down")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    both = {"well.jpg", "dead.jpg"}
    assert shown(album) == both
    fails[0] = True
    assert "well.jpg" in shown(album)
    fails[0] = False
    assert shown(album) == both


def test_a_share_that_dies_while_it_is_read_is_shown_as_it_was(
    monkeypatch: pytest.MonkeyPatch, shoots: dict[str, Path]
) -> None:
    album = Album(places_of((folder, None) for folder in shoots.values()))
    both = {"well.jpg", "dead.jpg"}
    wait_for(lambda: shown(album) == both and not album.late)
    is_back = threading.Event()
    hang(monkeypatch, "scandir", shoots["dead"], is_back)
    assert shown(album) == both
    assert f"{shoots['dead']} is still being read" in Site(album, Tiles(1)).get("/").data.decode()
    is_back.set()
    wait_for(lambda: shown(album) == both and not album.late)


def test_a_picture_on_a_dead_share_keeps_nobody_from_those_elsewhere(
    shoots: dict[str, Path], back: threading.Event
) -> None:
    tiles = Tiles(1)
    tiles._command = [sys.executable, "-c", DARKROOM]
    try:
        for _ in range(2):
            with pytest.raises(NoPicture, match="does not answer"):
                tiles.tile(shoots["dead"] / "dead.jpg", None, 0, 0, 0, 1)
        assert tiles.tile(shoots["well"] / "well.jpg", None, 0, 0, 0, 1) == b"tile"
    finally:
        tiles.close()


def test_a_picture_on_a_slow_share_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, slow, real = [], tmp_path / "slow.jpg", os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        asked.append(path)
        if len(asked) == 3:
            slow.touch()
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    tiles = Tiles(1)
    tiles._command = [sys.executable, "-c", DARKROOM]
    try:
        assert tiles.tile(slow, None, 0, 0, 0, 1) == b"tile"
    finally:
        tiles.close()
    assert len(asked) >= 3
