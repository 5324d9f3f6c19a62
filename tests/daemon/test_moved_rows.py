"""Which row is taken for that of a photo that lies elsewhere now, and which follows it there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retouch_engine import Mark, Remembered, Vote
from retouchd.config import Settings, Watch
from retouchd.jobs import GONE, LEFT_ALONE, Digest, Signature, State
from retouchd.mounts import Mount
from retouchd.results import keepsakes
from retouchd.state.journal import Journal
from retouchd.state.rows import Resting, Row
from retouchd.watch import moves
from retouchd.watch.intake import Intake
from retouchd.watch.scanner import Found

SIG = Signature(1, 2, 3, 4, 5)
ELSEWHERE = Signature(9, 2, 3, 4, 5)
"""The same file on a disk that got another number."""
MARKS = [Remembered("a.tif", (Mark(10.0, 30.0, 3.0, vote=Vote.KEEP), Mark(-20.0, 40.0, 2.0)))]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.create(tmp_path / "state")
    yield made
    made.close()


def watch(folder: Path, mirror: Path | None = None) -> Watch:
    one = {"path": str(folder)} | ({"output": f"mirror:{mirror}"} if mirror else {})
    made = {"state_dir": str(folder.parent / "state"), "watch": [one]}
    return Settings.model_validate(made).watch[0]


def row_of(journal: Journal, path: Path, root: Path, **more: Any) -> Row:
    journal.see(os.fsencode(path), os.fsencode(root), SIG, "")
    row = journal.find(os.fsencode(path))
    assert row
    saved = journal.save(replace(row, **more))
    assert saved
    return saved


@pytest.mark.parametrize(
    ("code", "found", "is_missing"),
    [
        ("", Found(), True),
        (GONE, Found(), False),
        ("", Found(files={b"/hot/a.tif": SIG}), False),
        ("", Found(unreadable={b"/hot": "Stale file handle"}), False),
        ("", Found(unreadable={b"/other": "Stale file handle"}), True),
    ],
)
def test_a_photo_is_missing_where_a_look_could_have_seen_it(
    journal: Journal, code: str, found: Found, *, is_missing: bool
) -> None:
    row = row_of(journal, Path("/hot/a.tif"), Path("/hot"), state=State.SKIPPED, code=code)
    lost = moves.missing({b"/hot/a.tif": Resting(str(SIG), code, 0.0)}, found)

    assert bool(lost) is is_missing
    assert moves.before(journal, ELSEWHERE, lost) == (row if is_missing else None)
    assert moves.before(journal, SIG._replace(ctime_ns=6), lost) is None, "another file"


@pytest.mark.parametrize(
    ("state", "digest", "mirrored", "name", "follows"),
    [
        (State.QUEUED, "", False, "a.tif", True),
        (State.QUEUED, "", True, "a.tif", True),
        (State.QUEUED, "ab", False, "a.tif", True),
        (State.QUEUED, "", False, "b.tif", True),
        (State.QUEUED, "ab", False, "b.tif", False),  # nor with results by another name
        (State.QUEUED, "ab", True, "a.tif", False),  # what a person said of it lies with its results
        (State.QUARANTINED, "ab", True, "a.tif", True),
        (State.DONE, "ab", False, "a.tif", True),
        (State.DONE, "ab", False, "b.tif", False),  # no results beside it
        (State.DONE, "ab", True, "a.tif", False),
    ],
)
def test_which_row_follows_its_photo(
    journal: Journal, tmp_path: Path, state: State, digest: str, name: str, *, mirrored: bool, follows: bool
) -> None:
    """Results lie beside the new place, under the photo's own name and under another one."""
    now = tmp_path / "hot/now" / name
    row = row_of(journal, Path("/before/a.tif"), Path("/before"), state=state, source_digest=Digest(digest))
    for stem in ("a", "b"):
        record = now.parent / f"_retouchd/{stem}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()
    there = watch(tmp_path / "hot", tmp_path / "mirror" if mirrored else None)

    assert moves.follow(journal, there, os.fsencode(now), ELSEWHERE, row) is follows
    after = journal.get(row.id)
    assert after
    if follows:
        assert (after.path, after.root) == (os.fsencode(now), os.fsencode(tmp_path / "hot"))
        assert (after.signature, after.state) == (str(ELSEWHERE), state)
    else:
        assert after == row


def test_a_photo_that_is_done_does_not_follow_where_it_has_no_results(
    journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "hot").mkdir()
    row = row_of(journal, Path("/before/a.tif"), Path("/before"), state=State.DONE)
    new = os.fsencode(tmp_path / "hot/a.tif")
    assert not moves.follow(journal, watch(tmp_path / "hot"), new, SIG, row)


@pytest.mark.parametrize("state", [State.RUNNING, State.RENDERED, State.PUBLISHING])
def test_a_photo_in_hand_is_no_other_photo_where_its_folder_is_called_otherwise(
    journal: Journal, tmp_path: Path, state: State
) -> None:
    """On a share where capitals do not matter its result was still written, and then made once more."""
    photo = tmp_path / "hot/Day/a.tif"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"photo")
    intake = Intake(
        Settings(state_dir=tmp_path / "state", watch=(watch(tmp_path / "hot"),)), journal, table=list
    )
    intake.look()
    row = journal.find(os.fsencode(photo))
    assert row
    held = journal.save(replace(row, state=state))
    assert held
    photo.parent.rename(tmp_path / "hot/day")

    def looked() -> list[Path]:
        intake.reconfigure(Settings(state_dir=tmp_path / "state", watch=(watch(tmp_path / "hot"),)))
        intake.look()
        return [row.file for row in journal.listed()]

    assert looked() == [photo]
    journal.save(replace(held, state=State.SKIPPED, code=GONE))
    assert looked() == [photo, tmp_path / "hot/day/a.tif"]


@pytest.mark.parametrize(
    ("root", "mirrored", "follows"), [("hot", True, True), ("hot", False, False), ("elsewhere", True, False)]
)
def test_a_list_of_kept_marks_follows_within_its_mirror(
    journal: Journal, tmp_path: Path, root: str, *, mirrored: bool, follows: bool
) -> None:
    """And is asked for once, however many photos its shoot has."""
    hot, mirror = tmp_path / "hot", tmp_path / "mirror"
    for folder in (hot, mirror / "day", mirror / "renamed"):
        folder.mkdir(parents=True)
    keepsakes.keep(mirror / "day", MARKS)
    row = row_of(journal, hot / "day/a.tif", tmp_path / root, state=State.SKIPPED)
    followed: set[tuple[Path, Path]] = set()
    there = watch(hot, mirror if mirrored else None)
    for _ in range(2):
        moves.kept_marks_follow(there, there, hot / "renamed/a.tif", row, followed)
        assert bool(keepsakes.kept(mirror / "renamed")) is follows
        keepsakes.path_of(mirror / "renamed").unlink(missing_ok=True)
        follows = False
    assert len(followed) <= 1


def test_kept_marks_go_from_mirror_to_mirror_and_none_of_another_client_come(
    journal: Journal, tmp_path: Path
) -> None:
    first, second = (watch(tmp_path / n, tmp_path / f"{n} results") for n in ("first", "second"))
    for one in (first, second):
        assert one.mirror
        (one.path / "day").mkdir(parents=True)
        (one.mirror / "day").mkdir(parents=True)
    assert first.mirror
    assert second.mirror
    (second.mirror / "moved").mkdir()
    keepsakes.keep(first.mirror / "day", MARKS)
    keepsakes.keep(second.mirror / "day", [replace(MARKS[0], photo="of another client.tif")])
    photo = first.path / "day/a.tif"
    photo.write_bytes(b"photo")
    signature = str(Signature.of(photo.stat()))
    row_of(journal, photo, first.path, state=State.SKIPPED, code=LEFT_ALONE, signature=signature)
    intake = Intake(Settings(state_dir=tmp_path / "state", watch=(first, second)), journal, table=list)
    intake.roots[first.path].check(list)
    intake.roots[first.path].next_look_s = float("inf")
    photo.parent.rename(second.path / "moved")
    intake.look()
    kept = keepsakes.kept(second.mirror / "moved")
    assert [one.face for one in kept] == MARKS


@pytest.mark.parametrize(("now", "follows"), [("gone", True), ("there", False), ("away", False)])
def test_what_was_left_goes_along_between_watched_folders_when_it_is_gone_from_one(
    journal: Journal, tmp_path: Path, now: str, *, follows: bool
) -> None:
    """Not while it has both names, nor while the disk of the one is away."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    before, after = first / "a.tif", second / "a.tif"
    before.write_bytes(b"photo")
    after.hardlink_to(before)
    table = [Mount(Path("/"), "ext4", "a"), Mount(first, "ext4", "b")]
    watches = (watch(first), watch(second))
    intake = Intake(Settings(state_dir=tmp_path / "state", watch=watches), journal, table=lambda: list(table))
    intake.roots[first].check(lambda: table)
    if now != "there":
        before.unlink()
    row = row_of(journal, before, first, state=State.SKIPPED, code=LEFT_ALONE)
    journal.save(replace(row, signature=str(Signature.of(after.stat()))))
    if now == "away":
        table.pop()
    intake.roots[second].next_look_s, intake.roots[first].next_look_s = 0.0, 1e12
    intake.look()

    assert [r.file for r in journal.listed()] == ([after] if follows else [before, after])
