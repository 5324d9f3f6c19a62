"""Hints of the kernel: a photo hastens the next look, our own results do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from retouchd.naming import OWN_FOLDER
from retouchd.watch.wake import Wake


class Watched:
    """A watched folder, and how often it was poked."""

    def __init__(self, root: Path) -> None:
        self.root, self.pokes = root, Queue[Path]()
        self.wake = Wake(self.pokes.put)
        assert self.wake.watch(root, recursive=True) is None

    def poked(self) -> bool:
        """Whether it is, soon."""
        return self.pokes.get(timeout=60) == self.root

    def only_by_what_comes_next(self) -> bool:
        """Whether nothing until now was worth a look: events come in their order, a photo's is worth one."""
        photo = self.root.parent / "next.tif"
        photo.write_bytes(b"photo")
        photo.rename(self.root / "next.tif")
        first = self.poked()
        time.sleep(0.5)  # the photo's own, if that was an earlier one
        return first and self.pokes.empty()


@pytest.fixture
def hot(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "hot" / OWN_FOLDER).mkdir(parents=True)
    watched = Watched(tmp_path / "hot")
    yield watched
    watched.wake.close()


def test_a_result_of_ours_asks_for_no_look(hot: Watched) -> None:
    part = hot.root / ".retouchd-1-a.part"
    part.write_bytes(b"result")
    part.rename(hot.root / "a-retouched.tif")
    for name in ("a.json", "a-heal.tif", "a-mask.tif", "pages/a.jpg"):
        path = hot.root / OWN_FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"result")
    (hot.root / OWN_FOLDER / "contact.html").write_text("")
    assert hot.only_by_what_comes_next()


def test_a_folder_that_is_moved_in_is_looked_at(hot: Watched) -> None:
    full = hot.root.parent / "client"
    full.mkdir()
    (full / "a.tif").write_bytes(b"photo")
    full.rename(hot.root / "client")
    assert hot.poked()


def test_our_own_folder_is_no_news(hot: Watched) -> None:
    (hot.root / OWN_FOLDER).rmdir()
    (hot.root / OWN_FOLDER).mkdir()
    assert hot.only_by_what_comes_next()


def test_a_root_that_is_a_link_has_its_events(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "hot").symlink_to("real")
    watched = Watched(tmp_path / "hot")
    (tmp_path / "real" / "a.tif").write_bytes(b"photo")
    assert watched.poked()
    watched.wake.close()
