"""What people correct while nobody tells the service: which photo is taken up, when, and which is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from retouchd.config import Settings
from retouchd.jobs import Asked, Signature, State
from retouchd.results import corrections, keepsakes
from retouchd.results.corrections import Memory
from retouchd.results.keepsakes import BrokenKeepList
from retouchd.state.journal import Journal
from retouchd.state.rows import Row
from retouchd.watch.amends import Amends

RESULT_NS = 10**18
OLDER_NS, YOUNGER_NS = RESULT_NS - 1, RESULT_NS + 10**9


class Shoot:
    """A folder with photos that are done, and what looks at it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.own = folder, folder / "_retouchd"
        self.own.mkdir(parents=True)
        self.journal = Journal.create(folder.parent / "state")
        watch = {"state_dir": str(folder.parent / "state"), "watch": [{"path": str(folder)}]}
        self.settings = Settings.model_validate(watch)
        # Whether results show what was decided is asked of other tests.
        monkeypatch.setattr(corrections, "outdated", lambda *_: True)

    def photo(self, name: str, state: State = State.DONE, **more: object) -> Row:
        path = os.fsencode(self.folder / name)
        self.journal.see(path, os.fsencode(self.folder), Signature(1, 2, 3, 4, 5), "")
        row = self.journal.find(path)
        assert row
        saved = self.journal.save(replace(row, state=state, **more))  # type: ignore[arg-type]
        assert saved
        return saved

    def results(self, stem: str) -> Path:
        """Results of ``stem.tif`` as the service left them; the answer is the mask."""
        told = {"schema": "retouchd.record/1", "source": {"name": f"{stem}.tif"}}
        (self.own / f"{stem}.json").write_text(json.dumps(told))
        result, mask = self.folder / f"{stem}-retouched.tif", self.own / f"{stem}-mask.tif"
        result.write_bytes(b"result")
        os.utime(result, ns=(RESULT_NS, RESULT_NS))
        return self.paint(mask, b"mask", OLDER_NS)

    @staticmethod
    def paint(mask: Path, data: bytes, time_ns: int) -> Path:
        mask.write_bytes(data)
        os.utime(mask, ns=(time_ns, time_ns))
        return mask

    def amends(self) -> Amends:
        """As after a start."""
        amends = Amends(self.settings, self.journal)
        amends.touch(self.folder)
        return amends

    def look(self, amends: Amends) -> list[str]:
        """One look; the photos that are taken up."""
        amends.poke()
        amends.step()
        return [row.file.name for row in self.journal.listed((State.SETTLING,))]


@pytest.fixture
def shoot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shoot]:
    made = Shoot(tmp_path / "hot", monkeypatch)
    yield made
    made.journal.close()


def test_a_mask_is_looked_into_when_its_editor_has_written_it(shoot: Shoot) -> None:
    shoot.photo("IMG.tif")
    mask, amends = shoot.results("IMG"), shoot.amends()
    assert shoot.look(amends) == []
    for data in (b"begun", b"half-way"):
        shoot.paint(mask, data, YOUNGER_NS)
        assert shoot.look(amends) == [], "it may still be written"
    assert shoot.look(amends) == ["IMG.tif"]


def test_a_file_of_corrections_appears_whole_and_counts_at_once(shoot: Shoot) -> None:
    row = shoot.photo("IMG.tif")
    shoot.results("IMG")
    amends = shoot.amends()
    assert shoot.look(amends) == []
    corrections.write(row.file, shoot.folder, Memory("IMG.tif", "ab"))
    assert shoot.look(amends) == ["IMG.tif"]


@pytest.mark.parametrize(("data", "time_ns"), [(b"more of it", OLDER_NS), (b"MASK", OLDER_NS - 10**9)])
def test_a_mask_has_changed_when_its_size_or_its_time_has(shoot: Shoot, data: bytes, time_ns: int) -> None:
    """Sync programs bring a file with the time that it had elsewhere."""
    shoot.photo("IMG.tif")
    mask, amends = shoot.results("IMG"), shoot.amends()
    shoot.look(amends)
    shoot.paint(mask, data, time_ns)
    shoot.look(amends)
    assert shoot.look(amends) == ["IMG.tif"]


@pytest.mark.parametrize(("time_ns", "taken"), [(RESULT_NS, []), (YOUNGER_NS, ["IMG.tif"])])
def test_after_a_start_only_masks_younger_than_their_results_are_looked_into(
    shoot: Shoot, time_ns: int, taken: list[str]
) -> None:
    shoot.photo("IMG.tif")
    shoot.paint(shoot.results("IMG"), b"mask", time_ns)
    amends = shoot.amends()
    shoot.look(amends)
    assert shoot.look(amends) == taken


@pytest.mark.parametrize("with_record", [False, True])
def test_a_mask_without_a_result_is_looked_into_where_nothing_was_ever_done(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch, *, with_record: bool
) -> None:
    """It lay there first and may have kept its photo from being done; beside a record it did not."""
    monkeypatch.setattr(corrections, "outdated", lambda *_: False)  # as without any record
    shoot.photo("IMG.tif", State.SKIPPED, code="mask")
    shoot.photo("IMG_2.tif", State.SKIPPED, code="mask")
    mask = shoot.results("IMG")
    (shoot.folder / "IMG-retouched.tif").unlink()
    if not with_record:
        (shoot.own / "IMG.json").unlink()
    amends = shoot.amends()
    shoot.look(amends)
    assert shoot.look(amends) == ([] if with_record else ["IMG.tif"])
    assert mask.exists()


def test_no_link_is_followed_to_a_mask(shoot: Shoot, tmp_path: Path) -> None:
    shoot.photo("IMG.tif")
    mask = shoot.results("IMG")
    mask.unlink()
    mask.symlink_to(shoot.paint(tmp_path / "elsewhere.tif", b"x", OLDER_NS))
    amends = shoot.amends()
    shoot.look(amends)
    shoot.paint(tmp_path / "elsewhere.tif", b"painted", YOUNGER_NS)
    shoot.look(amends)
    assert shoot.look(amends) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(Asked.ANEW, Asked.NOTHING), (Asked.EVEN_OURS, Asked.EVEN_OURS), (Asked.NOTHING, Asked.NOTHING)],
)
def test_a_correction_does_not_ask_anew_for_what_was_done(shoot: Shoot, before: Asked, after: Asked) -> None:
    row = shoot.photo("IMG.tif", forced=before)
    shoot.results("IMG")
    amends = shoot.amends()
    shoot.look(amends)
    corrections.write(row.file, shoot.folder, Memory("IMG.tif", "ab"))
    shoot.look(amends)
    found = shoot.journal.get(row.id)
    assert found
    assert (found.state, found.forced) == (State.SETTLING, after)


def test_a_list_of_kept_marks_that_is_mended_takes_up_only_what_it_kept_from_being_done(shoot: Shoot) -> None:
    shoot.photo("done.tif")
    shoot.photo("other.tif", State.SKIPPED, code="unreadable")
    shoot.photo("barred.tif", State.SKIPPED, code=BrokenKeepList.code)
    shoot.photo("sub/barred too.tif", State.SKIPPED, code=BrokenKeepList.code)
    path = keepsakes.path_of(shoot.folder)
    path.parent.mkdir()
    path.write_text("{")
    amends = shoot.amends()
    assert shoot.look(amends) == ["barred.tif"]
    path.unlink()
    row = shoot.journal.find(os.fsencode(shoot.folder / "barred.tif"))
    assert row
    shoot.journal.save(replace(row, state=State.SKIPPED, code=BrokenKeepList.code))
    assert shoot.look(amends) == ["barred.tif"]


def test_a_photo_that_another_changed_meanwhile_is_taken_up_by_the_next_look(
    shoot: Shoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = shoot.photo("IMG.tif")
    shoot.results("IMG")
    amends = shoot.amends()
    shoot.look(amends)
    corrections.write(row.file, shoot.folder, Memory("IMG.tif", "ab"))
    with monkeypatch.context() as busy:
        busy.setattr(Journal, "save", lambda *_: None)
        assert shoot.look(amends) == []
    assert shoot.look(amends) == ["IMG.tif"]


@pytest.mark.parametrize("code", ["gone", "asked", "undone"])
def test_what_a_person_left_alone_is_not_taken_up_because_of_a_file_that_is_gone(
    shoot: Shoot, code: str
) -> None:
    row = shoot.photo("IMG.tif", State.SKIPPED, code=code)
    corrections.write(row.file, shoot.folder, Memory("IMG.tif", "ab"))
    amends = shoot.amends()
    shoot.look(amends)
    kept = shoot.journal.get(row.id)
    assert kept
    shoot.journal.save(replace(kept, state=State.SKIPPED, code=code))
    corrections.path_of(row.file, shoot.folder).unlink()
    assert shoot.look(amends) == []


def test_who_waited_for_a_dead_share_looks_at_the_others_as_soon_as_ever(shoot: Shoot) -> None:
    """A mask that was painted in another folder was seen minutes later."""
    now, asked = [0.0], []

    def waited_in_vain(folder: Path) -> bool:
        asked.append(folder)
        now[0] += 10.0
        return False

    amends = Amends(shoot.settings, shoot.journal, lambda: now[0], well=waited_in_vain)
    amends.touch(shoot.folder)
    amends.step()
    now[0] += 3.0
    amends.step()
    assert asked == [shoot.folder] * 2
