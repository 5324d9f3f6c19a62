"""What lies at a path, and that a disk that does not say is no empty place, whatever the Python."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retouch_engine import RECORD_SCHEMA
from retouchd import mounts, presence
from retouchd.config import overrides
from retouchd.naming import ResultSet
from retouchd.results import record
from retouchd.web.review.album import Album, places_of

Question = Callable[[Path], bool]
ALL = [presence.anything, presence.plain, presence.entry, presence.file, presence.folder, presence.link]


@pytest.fixture
def kinds(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "to file").symlink_to("file")
    (tmp_path / "to folder").symlink_to("folder")
    (tmp_path / "to nothing").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    inside = tmp_path / "file" / "inside"
    return {p.name: p for p in (*tmp_path.iterdir(), tmp_path / "nothing", inside)}


@pytest.mark.parametrize(
    ("ask", "yes"),
    [
        (presence.anything, {"file", "folder", "to file", "to folder"}),
        (presence.entry, {"file", "folder", "to file", "to folder", "to nothing", "circle"}),
        (presence.file, {"file", "to file"}),
        (presence.plain, {"file"}),
        (presence.folder, {"folder", "to folder"}),
        (presence.link, {"to file", "to folder", "to nothing", "circle"}),
    ],
)
def test_each_question_has_its_answer(kinds: dict[str, Path], ask: Question, yes: set[str]) -> None:
    assert {name for name, path in kinds.items() if ask(path)} == yes


@pytest.mark.parametrize("name", ["a\0.jpg", "a\ud800.jpg"])
def test_a_record_that_names_what_no_photo_can_be_called_costs_only_its_own_place(
    tmp_path: Path, name: str
) -> None:
    own = tmp_path / "_retouchd"
    own.mkdir()
    for stem, called in (("a", name), ("b", "b.jpg")):
        (tmp_path / "b.jpg").touch()
        told = {"schema": RECORD_SCHEMA, "source": {"name": called, "sha256": "0"}, "counts": {"found": 1}}
        (own / f"{stem}.json").write_bytes(record.dump(told))
    (shoot,) = Album(places_of([(tmp_path, None)])).shoots()
    assert [photo.name for photo in shoot.photos] == ["b.jpg"]


@pytest.fixture
def stumbling(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(path: Any, **_more: Any) -> os.stat_result:
        raise OSError(errno.EIO, "Input/output error", os.fspath(path))

    monkeypatch.setattr(os, "stat", stumble)


@pytest.mark.usefixtures("stumbling")
@pytest.mark.parametrize("ask", ALL)
def test_a_disk_that_does_not_say_is_an_error(ask: Question) -> None:
    with pytest.raises(OSError, match="Input/output"):
        ask(Path("/shoot/retouch.toml"))


@pytest.mark.usefixtures("stumbling")
def test_no_photo_is_done_without_a_clients_settings_that_could_not_be_looked_for() -> None:
    with pytest.raises(OSError, match="Input/output"):
        overrides.nearest(Path("/shoot/a.tif"), Path("/shoot"))


@pytest.mark.usefixtures("stumbling")
def test_a_result_that_could_not_be_looked_at_is_not_free_to_be_replaced() -> None:
    with pytest.raises(OSError, match="Input/output"):
        record.untouched({}, ResultSet(Path("/shoot"), "a"), "result", lambda: None)


@pytest.mark.usefixtures("stumbling")
def test_a_share_that_stumbles_while_its_rights_are_asked_does_not_end_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(path: Path) -> bool:
        return bool(path.stat())  # what Python says before 3.14

    monkeypatch.setattr(Path, "is_dir", stumble)
    assert mounts.unwritable(Path("/shoot")) == "Input/output error"
