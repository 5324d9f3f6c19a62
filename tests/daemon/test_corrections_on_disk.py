"""What lies in a folder of results, and what it says of a person's decisions: no service, no worker."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from retouch_engine import Correction, Corrections, Role, Wish
from retouchd import naming
from retouchd.errors import UnsafeFolder
from retouchd.jobs import Digest
from retouchd.naming import RECORD, ResultSet
from retouchd.results import corrections
from retouchd.results.corrections import LastRun, Memory

DIGEST = Digest("ab" * 32)
DECIDED = Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
PHOTO = "IMG.tif"


def put_set(folder: Path, number: int = 1, decided: Corrections = DECIDED) -> ResultSet:
    """A set of results as we left it, of a photo that was done with these decisions."""
    names, outputs = ResultSet(folder, "IMG", number), {}
    (folder / "_retouchd").mkdir(exist_ok=True)
    for role in (Role.HEAL, Role.MASK, Role.RESULT):
        data = f"{role} {number}".encode()
        names.path(role).write_bytes(data)
        outputs[str(role)] = {"sha256": hashlib.sha256(data).hexdigest()}
    told = {
        "schema": "retouchd.record/1",
        "source": {"name": PHOTO, "sha256": DIGEST},
        "corrections": decided.as_json(),
        "outputs": outputs,
    }
    names.path(RECORD).write_text(json.dumps(told))
    return names


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo about which something is decided."""
    path = tmp_path / PHOTO
    corrections.write(path, tmp_path, Memory(PHOTO, DIGEST, DECIDED, ({"kind": "mole"},)))
    return path


def test_who_may_read_the_folder_may_read_what_was_decided(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    before = os.umask(0o077)
    try:
        corrections.write(tmp_path / PHOTO, tmp_path, Memory(PHOTO, DIGEST))
    finally:
        os.umask(before)
    assert corrections.path_of(tmp_path / PHOTO, tmp_path).stat().st_mode & 0o777 == 0o664


def test_a_link_in_the_place_of_corrections_stays(photo: Path, tmp_path: Path) -> None:
    path = corrections.path_of(photo, tmp_path)
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UnsafeFolder):
        corrections.write(photo, tmp_path, Memory(PHOTO, DIGEST))
    assert path.is_symlink()


def test_of_other_names_the_first_with_decisions_counts_without_what_belongs_to_its_results(
    tmp_path: Path,
) -> None:
    empty, decided = (tmp_path / name / PHOTO for name in ("empty", "decided"))
    for path, memory in (
        (empty, Memory(PHOTO, DIGEST, approved="then")),
        (decided, Memory(PHOTO, DIGEST, DECIDED, ({"kind": "mole"},), ("cd",), "then", "ef")),
    ):
        path.parent.mkdir()
        corrections.write(path, path.parent, memory)
    fresh = tmp_path / "Smith.tif"
    others = [(path, path.parent) for path in (empty, decided)]
    found = corrections.read_anywhere(fresh, tmp_path, DIGEST, others)

    assert (found.source, found.decided, found.facts) == ("Smith.tif", DECIDED, ({"kind": "mole"},))
    assert (found.masks, found.approved) == ((), "")
    assert corrections.read(fresh, tmp_path, DIGEST) == found


@pytest.mark.parametrize("done", [True, False])
def test_no_link_is_read_as_a_mask(tmp_path: Path, *, done: bool) -> None:
    """It could lead to any picture of anybody's, which the record would then tell of."""
    names = put_set(tmp_path)
    for role in naming.PUBLISH_ORDER if not done else ():
        names.path(role).unlink(missing_ok=True)
    painted = tmp_path / "painted.tif"
    painted.write_bytes(b"painted")
    names.path(Role.MASK).unlink(missing_ok=True)
    names.path(Role.MASK).symlink_to(painted)
    assert corrections.edited_mask(tmp_path / PHOTO, tmp_path, ()) is None
    painted.replace(names.path(Role.MASK))
    found = corrections.edited_mask(tmp_path / PHOTO, tmp_path, ())
    assert found
    assert found[0] == names.path(Role.MASK)
    assert corrections.edited_mask(tmp_path / PHOTO, tmp_path, (found[1],)) is None, "it was read"


def test_the_latest_of_two_edited_masks_is_read(tmp_path: Path) -> None:
    both = [put_set(tmp_path, number).path(Role.MASK) for number in (1, 2)]
    for mask in both:
        mask.write_bytes(b"painted")
    found = corrections.edited_mask(tmp_path / PHOTO, tmp_path, ())
    assert found
    assert found[0] == both[1]


def test_only_the_latest_result_has_to_show_what_was_decided(photo: Path, tmp_path: Path) -> None:
    put_set(tmp_path, 1, Corrections())
    assert corrections.outdated(photo, tmp_path)
    names = put_set(tmp_path, 2)
    assert not corrections.outdated(photo, tmp_path)
    names.path(Role.MASK).write_bytes(b"painted")
    assert corrections.outdated(photo, tmp_path)
    put_set(tmp_path, 2)
    put_set(tmp_path, 3, Corrections())
    assert corrections.outdated(photo, tmp_path)


def test_a_result_that_was_moved_away_is_not_made_again_for_a_correction(photo: Path, tmp_path: Path) -> None:
    names = put_set(tmp_path, 1, Corrections())
    names.path(Role.RESULT).rename(tmp_path / "delivered.tif")
    assert not corrections.outdated(photo, tmp_path)


def test_corrections_that_cannot_be_used_have_their_photo_looked_at(photo: Path, tmp_path: Path) -> None:
    put_set(tmp_path)
    assert not corrections.outdated(photo, tmp_path)
    corrections.path_of(photo, tmp_path).write_text("{")
    assert corrections.outdated(photo, tmp_path)


def test_what_was_done_before_is_of_these_bytes_and_there(photo: Path, tmp_path: Path) -> None:
    names = put_set(tmp_path)
    done = corrections.done_before(photo, tmp_path, DIGEST)
    assert done
    assert (done.names, done.adopted, done.other_settings) == (names, True, True)
    assert corrections.done_before(photo, tmp_path, "cd" * 32) is None
    names.path(Role.RESULT).write_bytes(b"")  # a reservation that a crash left
    assert corrections.done_before(photo, tmp_path, DIGEST) is None


def test_an_empty_heal_layer_is_none(photo: Path, tmp_path: Path) -> None:
    """It takes up nothing: a crash left it, as a name that was only reserved."""
    names, memory = put_set(tmp_path, 1, Corrections()), corrections.read(photo, tmp_path, DIGEST)
    assert corrections.last_run(photo, tmp_path, memory, painted=False) == LastRun(names.path(Role.HEAL))
    names.path(Role.HEAL).write_bytes(b"")
    found = corrections.last_run(photo, tmp_path, memory, painted=False)
    assert found == LastRun(lost="IMG-heal.tif is not there")


@pytest.mark.parametrize(
    ("approved", "of", "approves"),
    [("then", "", True), ("then", "ab", True), ("then", "cd", False), ("", "", False), ("", "ab", False)],
)
def test_a_person_approved_one_result(approved: str, of: str, *, approves: bool) -> None:
    memory = Memory(PHOTO, DIGEST, approved=approved, approved_result=of)
    assert memory.approves({"outputs": {"result": {"sha256": "ab"}}}) is approves
