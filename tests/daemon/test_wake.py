"""Hints of the kernel: a photo hastens the next look, our own results do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from retouchd.naming import OWN_FOLDER
from retouchd.wake import Wake

_LATE_S = 1.0
"""watchdog holds events back for half a second, to pair the two halves of a rename."""


class Watched:
    """A watched folder, and whether it was poked."""

    def __init__(self, root: Path) -> None:
        self.root, self.poked = root, threading.Event()
        self.wake = Wake(lambda _: self.poked.set())
        assert self.wake.watch(root, recursive=True) is None

    def quiet(self) -> bool:
        """Whether nothing that happened so far was worth a look."""
        time.sleep(_LATE_S)
        return not self.poked.is_set()


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
    assert hot.quiet()

    (hot.root / "b.tif").write_bytes(b"photo")
    assert hot.poked.wait(30)


def test_a_folder_that_is_moved_in_is_looked_at(hot: Watched) -> None:
    full = hot.root.parent / "client"
    full.mkdir()
    (full / "a.tif").write_bytes(b"photo")
    full.rename(hot.root / "client")
    assert hot.poked.wait(30)


def test_our_own_folder_is_no_news(hot: Watched) -> None:
    (hot.root / OWN_FOLDER).rmdir()
    (hot.root / OWN_FOLDER).mkdir()
    assert hot.quiet()
