"""Taking results back: only files of ours, in an order that an interruption does not spoil."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.test_publish import SET_1, Maker

from retouch_engine import Role
from retouchd import naming
from retouchd.naming import CONTACT_PAGE, OWN_FOLDER, ResultSet
from retouchd.results import publish, undo


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def names(maker: Maker) -> ResultSet:
    """A set of results with a contact page."""
    published = publish.publish(maker()).names
    (maker.folder / OWN_FOLDER / CONTACT_PAGE).touch()
    return published


def test_all_of_a_set_is_removed_and_our_folder_with_it(maker: Maker, names: ResultSet) -> None:
    names.path(Role.XMP).unlink()
    there = [role for role in reversed(naming.PUBLISH_ORDER) if role != Role.XMP]
    before = maker.listing()
    (told,) = undo.undo(maker.folder / "IMG.tif", maker.folder, dry_run=True)
    assert maker.listing() == before
    (done,) = undo.undo(maker.folder / "IMG.tif", maker.folder)
    assert told == done
    removed = tuple(names.path(role) for role in there)
    assert done == undo.Undone(maker.folder / "IMG.tif", maker.folder, removed, ())
    assert list(maker.folder.iterdir()) == [maker.folder / "IMG.tif"]
    assert undo.undo(maker.folder / "IMG.tif", maker.folder) == []


@pytest.mark.parametrize("edited", SET_1[:2] + SET_1[3:5] + SET_1[6:])
def test_what_somebody_edited_stays_and_the_record_and_the_page_with_it(
    maker: Maker, names: ResultSet, edited: str
) -> None:
    (maker.folder / edited).write_bytes(b"edited by hand")
    (done,) = undo.undo(maker.folder / "IMG.tif", maker.folder)
    assert done.kept == (maker.folder / edited,)
    stays = {"IMG.tif", "_retouchd/IMG.json", f"{OWN_FOLDER}/{CONTACT_PAGE}", edited}
    assert set(maker.listing()) == stays
    assert (maker.folder / edited).read_bytes() == b"edited by hand"
    assert names.path(naming.RECORD) not in done.removed


def test_another_photos_results_stay(maker: Maker, names: ResultSet) -> None:
    other = publish.publish(maker("IMG.jpg", b"jpeg")).names
    undo.undo(maker.folder / "IMG.tif", maker.folder)
    assert not names.path(Role.RESULT).exists()
    assert all(other.path(role).is_file() for role in naming.PUBLISH_ORDER)
    assert (maker.folder / OWN_FOLDER / CONTACT_PAGE).exists()


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(len(naming.PUBLISH_ORDER)))
@pytest.mark.usefixtures("names")
def test_an_undo_that_was_interrupted_can_be_finished(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    gone: list[Path] = []
    unlink = Path.unlink

    def crashing(path: Path, **more: Any) -> None:
        if len(gone) == step:
            raise Crash
        gone.append(path)
        unlink(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", crashing)
        with pytest.raises(Crash):
            undo.undo(maker.folder / "IMG.tif", maker.folder)
    undo.undo(maker.folder / "IMG.tif", maker.folder)
    assert maker.listing() == ["IMG.tif"]


def test_our_folder_behind_a_link_is_not_looked_into(maker: Maker, names: ResultSet, tmp_path: Path) -> None:
    own = maker.folder / OWN_FOLDER
    own.rename(tmp_path / "elsewhere")
    own.symlink_to(tmp_path / "elsewhere")
    assert undo.undo(maker.folder / "IMG.tif", maker.folder) == []
    assert list(undo.sources_below(maker.folder)) == []
    assert names.path(Role.RESULT).exists()


def test_each_photo_below_a_folder_is_named_once(maker: Maker) -> None:
    for data in (b"v1", b"v2"):
        publish.publish(maker(data=data)).names.path(Role.RESULT).write_bytes(b"edited")
    publish.publish(maker("A.jpg"))
    (maker.folder / "@eaDir").mkdir()
    (maker.folder / OWN_FOLDER).rename(maker.folder / "@eaDir" / OWN_FOLDER)
    assert list(undo.sources_below(maker.folder)) == []
    (maker.folder / "@eaDir" / OWN_FOLDER).rename(maker.folder / OWN_FOLDER)
    expected = [(maker.folder / name, maker.folder) for name in ("A.jpg", "IMG.tif")]
    assert list(undo.sources_below(maker.folder)) == expected
    assert list(undo.sources_below(maker.folder.parent)) == expected


def test_a_share_that_stumbles_over_a_result_does_not_part_it_from_its_record(
    maker: Maker, names: ResultSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stumbles, real, real_l = names.path(Role.RESULT), os.stat, os.lstat

    def check(path: Any) -> None:
        if not isinstance(path, int) and os.fspath(path) == str(stumbles):
            raise OSError(errno.EIO, "Input/output error", str(path))

    def stat(path: Any, **more: Any) -> os.stat_result:
        check(path)
        return real(path, **more)

    def lstat(path: Any, **more: Any) -> os.stat_result:
        check(path)
        return real_l(path, **more)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(OSError, match="Input/output"):
        undo.undo(maker.folder / "IMG.tif", maker.folder)
    monkeypatch.undo()
    assert names.path(naming.RECORD).exists()
    assert stumbles.exists()
