"""Which sets of results a folder holds of a photo, and what is taken for a record."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.daemon.test_publish import Maker

from retouch_engine import Role
from retouchd import naming
from retouchd.naming import RECORD, ResultSet
from retouchd.results import publish, record


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def test_a_set_is_found_behind_names_of_somebody_else(maker: Maker) -> None:
    parcel = maker()
    names = naming.first_set(parcel.source, parcel.folder)
    for _ in range(5):
        names.path(Role.RESULT).write_bytes(b"somebody's")
        names = names.next()
    assert publish.publish(parcel).names.number == 6
    assert [s.number for s, _ in record.sets_of(parcel.source, parcel.folder)] == [6]
    assert publish.publish(maker(data=b"v2")).names.number == 6


def test_the_third_set_is_found_when_those_before_it_are_removed(maker: Maker) -> None:
    for number in (1, 2, 3):
        made = publish.publish(maker(data=b"v%d" % number)).names
        assert made.number == number
        made.path(Role.RESULT).write_bytes(b"edited")
    for number in (1, 2):
        for role in naming.PUBLISH_ORDER:
            ResultSet(made.folder, made.stem, number).path(role).unlink(missing_ok=True)
    assert [s.number for s, _ in record.sets_of(maker.folder / "IMG.tif", maker.folder)] == [3]


def test_a_folder_of_thousands_is_not_listed_for_the_sets_of_one_photo(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel = maker()
    publish.publish(parcel)
    for listing in ("scandir", "listdir"):
        monkeypatch.setattr(os, listing, lambda *_: pytest.fail("the folder was listed"))
    assert len(record.sets_of(parcel.source, parcel.folder)) == 1


def test_the_latest_set_is_replaced_also_when_a_plain_name_is_free_again(maker: Maker) -> None:
    """Two results of which the one with the higher number is the older would be taken for the other."""
    other = maker.folder / "IMG-retouched.tif"
    other.write_bytes(b"somebody's work")
    publish.publish(maker(data=b"v1"))
    other.unlink()
    publish.publish(maker(data=b"v2"))

    assert [p.name for p in maker.folder.glob("*-retouched*.tif")] == ["IMG-retouched-2.tif"]
    assert b"v2" in (maker.folder / "IMG-retouched-2.tif").read_bytes()


def test_a_pipe_is_no_record_and_is_not_opened(maker: Maker) -> None:
    parcel = maker()
    names = naming.first_set(parcel.source, parcel.folder)
    names.path(RECORD).parent.mkdir()
    os.mkfifo(names.path(RECORD))
    assert record.read(names.path(RECORD)) is None
    assert publish.publish(parcel).names.number == 2


def test_files_that_are_no_records_are_not_taken_for_any(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text in ("", "[]", "{}", "{", '{"schema": 3}', "[" * 100_000):
        path.write_text(text)
        assert record.read(path) is None
    assert record.read(tmp_path / "absent.json") is None
    assert record.same_source({"source": 3}, path) is False
    assert record.our_digests({"outputs": {"heal": []}}, "heal") == set()
    assert not record.is_complete({}, ResultSet(tmp_path, "x"), lambda: None)
    assert RECORD in naming.PUBLISH_ORDER
