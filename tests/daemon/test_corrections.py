"""Corrections on their way through the daemon: files and edited masks, read once, and nobody's work lost."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouch_engine import Correction, Corrections, Wish
from retouchd import naming
from retouchd.config import Settings
from retouchd.errors import UnsafeFolder
from retouchd.jobs import Signature, State
from retouchd.results import corrections
from retouchd.results.corrections import BrokenCorrections, Memory
from retouchd.state.journal import Journal
from retouchd.watch.amends import Amends
from retouchd.web.review.album import Album, places_of

WISH = Correction((1, 2, 3, 4), Wish.KEEP)


def record_of(folder: Path, name: str = "IMG.json") -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "_retouchd" / name).read_bytes())
    return told


def decide(folder: Path, photo: Path, *spots: Correction, number: str = "") -> Memory:
    digest = record_of(folder, f"{photo.stem}{number}.json")["source"]["sha256"]
    memory = Memory(photo.name, digest, Corrections(spots), ({"kind": "pimple", "by": "page"},) * len(spots))
    corrections.write(photo, folder, memory)
    return memory


def wishes(folder: Path, name: str = "IMG.json") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = record_of(folder, name)["corrections"]["spots"]
    return found


def test_what_is_remembered_is_read_back(tmp_path: Path) -> None:
    photo = tmp_path / "IMG.tif"
    memory = Memory("IMG.tif", "ab", Corrections((WISH,), strength=40), ({"kind": "mole"},), ("cd",), "now")
    corrections.write(photo, tmp_path, memory)
    assert corrections.read(photo, tmp_path, "ab") == memory
    # Boxes mean nothing on other pixels.
    assert corrections.read(photo, tmp_path, "other") == Memory("IMG.tif", "other")
    assert [p.name for p in (tmp_path / "_retouchd/corrections").iterdir()] == ["IMG.tif.json"]


def test_nobodys_corrections_are_overwritten_by_those_of_other_bytes(tmp_path: Path) -> None:
    photo = tmp_path / "IMG.tif"
    memories = {
        d: Memory("IMG.tif", d, Corrections((WISH,), strength=i))
        for i, d in enumerate(("ab" * 32, "cd" * 32))
    }
    for memory in memories.values():
        corrections.write(photo, tmp_path, memory)
    for digest, memory in memories.items():
        assert corrections.read(photo, tmp_path, digest).decided == memory.decided
    corrections.write(photo, tmp_path, memories["ab" * 32])
    assert corrections.read(photo, tmp_path, "cd" * 32).decided == memories["cd" * 32].decided


@pytest.mark.parametrize("stem", ["x" * 238, "ü" * 119])
def test_the_longest_names_have_corrections_too(tmp_path: Path, stem: str) -> None:
    """Beside a folder of corrections ``process`` did none of such a name, and the service tried for ever."""
    photo = tmp_path / f"{stem}.tif"
    memories = [Memory(photo.name, d * 32, Corrections((WISH,)), ({"kind": "mole"},)) for d in ("ab", "cd")]
    for memory in memories:
        corrections.write(photo, tmp_path, memory)

    assert [corrections.read(photo, tmp_path, m.sha256) for m in memories] == memories
    assert corrections.read(photo, tmp_path, "ef" * 32) == Memory(photo.name, "ef" * 32)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other"}', "[" * 100_000])
def test_a_broken_file_is_never_taken_for_no_corrections(tmp_path: Path, text: str) -> None:
    photo = tmp_path / "IMG.tif"
    corrections.write(photo, tmp_path, Memory("IMG.tif", "ab"))
    corrections.path_of(photo, tmp_path).write_text(text)
    with pytest.raises(BrokenCorrections):
        corrections.read(photo, tmp_path, "ab")


def test_a_symlink_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "_retouchd").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "_retouchd/corrections").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFolder):
        corrections.write(tmp_path / "IMG.tif", tmp_path, Memory("IMG.tif", "ab"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_names_of_masks() -> None:
    for number in (1, 2, 12):
        names = naming.ResultSet(Path("/a"), "IMG-mask-3", number)
        path = names.path("mask")
        assert naming.is_mask(path.name)
        assert naming.set_of_mask(path) == names
    assert not naming.is_mask("IMG-heal.tif")


def test_the_last_heal_layer_is_handed_over_unless_somebody_touched_it(hot: Hot) -> None:
    photo, heal = hot.drop("IMG.tif"), hot.folder / "_retouchd/IMG-heal.tif"
    assert hot.process(photo).returncode == 0
    assert record_of(hot.folder)["before"] is None
    decide(hot.folder, photo, WISH)
    assert hot.process(photo).returncode == 0
    assert record_of(hot.folder)["before"] == heal.name
    heal.write_bytes(heal.read_bytes() + b" painted by hand")
    decide(hot.folder, photo, WISH, replace(WISH, round=2))
    assert hot.process(photo).returncode == 0
    assert record_of(hot.folder, "IMG-2.json")["before"] is None


def test_the_service_hands_over_the_last_heal_layer(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    hot.start()
    wait_for((hot.folder / "IMG-retouched.tif").exists)
    decide(hot.folder, photo, WISH)
    wait_for(lambda: record_of(hot.folder)["before"] == "IMG-heal.tif")


def test_process_applies_corrections_and_reads_an_edited_mask_once(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    folder, mask = hot.folder, hot.folder / "_retouchd/IMG-mask.tif"
    assert hot.process(photo).returncode == 0
    first = (folder / "IMG-retouched.tif").read_bytes()
    assert wishes(folder) == []
    decide(folder, photo, WISH)
    assert hot.process(photo).returncode == 0
    assert [w["wish"] for w in wishes(folder)] == ["keep"]
    assert (folder / "IMG-retouched.tif").read_bytes() != first
    assert "was done already" in hot.process(photo).stdout

    mask.write_bytes(b"\x07 painted by hand")
    assert hot.process(photo).returncode == 0
    told = json.loads((folder / "_retouchd/corrections/IMG.tif.json").read_bytes())
    assert [(w["box"][0], w["wish"], w["by"]) for w in told["spots"]] == [
        (1, "keep", "page"),
        (7, "heal", "mask"),
    ]
    assert told["spots"][0]["kind"] == "pimple"
    assert b"painted" not in mask.read_bytes()
    assert [w["box"][0] for w in wishes(folder)] == [1, 7]
    assert "was done already" in hot.process(photo).stdout
    assert sorted(p.name for p in folder.glob("*.tif")) == ["IMG-retouched.tif", "IMG.tif"]


@pytest.mark.parametrize("service", [False, True])
def test_a_mask_painted_before_the_photo_is_done_counts(hot: Hot, service: bool) -> None:
    mask = hot.folder / "_retouchd/IMG-mask.tif"
    mask.parent.mkdir()
    mask.write_bytes(b"\x07 painted by hand")
    photo = hot.drop("IMG.tif")
    if service:
        hot.start()
        wait_for(lambda: hot.rows("done"), f"done; {hot.log()}")
    else:
        assert hot.process(photo).returncode == 0
    assert [w["box"][0] for w in wishes(hot.folder)] == [7]
    # It takes the plain names, and the mask is the one that shows what was done.
    assert sorted(p.name for p in hot.folder.glob("*.tif")) == ["IMG-retouched.tif", "IMG.tif"]
    assert b"painted" not in mask.read_bytes()
    assert "was done already" in hot.process(photo).stdout


@pytest.mark.parametrize("cleared_away", [False, True])
def test_a_photo_whose_plain_names_were_taken_is_corrected_like_any_other(
    hot: Hot, *, cleared_away: bool
) -> None:
    """No record lies where counting begins: a retoucher's own IMG-retouched.tif has none."""
    photo, somebodys = hot.drop("IMG.tif"), hot.drop("IMG-retouched.tif", b"by a retoucher")
    hot.start()
    wait_for(lambda: [r for r in hot.rows("done") if r["file"] == str(photo)])
    if cleared_away:
        somebodys.unlink()
    (hot.folder / "_retouchd/IMG-mask-2.tif").write_bytes(b"\x05 painted")
    wait_for(lambda: [w["box"][0] for w in wishes(hot.folder, "IMG-2.json")] == [5], hot.log())
    decide(hot.folder, photo, WISH, number="-2")
    wait_for(lambda: [w["wish"] for w in wishes(hot.folder, "IMG-2.json")] == ["keep"], hot.log())
    wait_for(lambda: len(hot.rows("done")) == 1)

    assert "was done already" in hot.process(photo).stdout
    assert sorted(p.name for p in hot.folder.glob("IMG-retouched*.tif")) == [
        "IMG-retouched-2.tif",
        *[somebodys.name] * (not cleared_away),
    ]


def test_photos_of_one_name_in_one_mirror_are_told_apart(hot: Hot) -> None:
    mirror, others = hot.base / "mirror", (hot.base / "a", hot.base / "b")
    for place in (mirror, *others):
        place.mkdir()
    for place in others:
        (place / "IMG.tif").write_bytes(place.name.encode() + b" REVIEW")
    plain = hot.config.read_text()
    watches = [f'[[watch]]\npath = "{place}"\noutput = "mirror:{mirror}"' for place in others]
    hot.config.write_text(plain.replace(f'[[watch]]\npath = "{hot.folder}"', "\n".join(watches)))
    hot.start()
    wait_for(lambda: len(hot.rows("done")) == 2, hot.log())
    (mirror / "_retouchd/IMG-mask-2.tif").write_bytes(b"\x05 painted")
    wait_for(lambda: [w["box"][0] for w in wishes(mirror, "IMG-2.json")] == [5], hot.log())
    wait_for(lambda: len(hot.rows("done")) == 2, hot.log())
    assert wishes(mirror) == []

    album = Album(places_of((place, mirror) for place in others))
    shown = {photo.source: photo.names.number for shoot in album.shoots() for photo in shoot.photos}
    told = enumerate((record_of(mirror, "IMG.json"), record_of(mirror, "IMG-2.json")), start=1)
    numbers = {Path(one["source"]["folder"]): number for number, one in told}
    assert shown == {place / "IMG.tif": numbers[place] for place in others}
    assert [album.shoot(shoot.id) for shoot in album.shoots()] == list(album.shoots())


def test_a_photo_is_not_taken_up_again_and_again_while_another_of_its_name_is_in_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [b"/a", b"/b"]
    watch = [{"path": os.fsdecode(p), "output": f"mirror:{tmp_path}"} for p in places]
    journal = Journal.create(tmp_path / "state")
    for place in places:
        journal.see(place + b"/IMG.tif", place, Signature(1, 2, 3, 4, 5), "new")

    def put(place: bytes, state: State) -> None:
        row = journal.find(place + b"/IMG.tif")
        assert row
        assert journal.save(replace(row, state=state))

    put(b"/a", State.RUNNING)
    put(b"/b", State.DONE)
    amends = Amends(Settings.model_validate({"state_dir": str(tmp_path), "watch": watch}), journal)
    monkeypatch.setattr(corrections, "outdated", lambda *_: True)
    corrections.write(tmp_path / "IMG.tif", tmp_path, Memory("IMG.tif", "", Corrections((WISH,))))
    taken = []
    for state in (State.RUNNING, State.RUNNING, State.DONE, State.DONE):
        put(b"/a", state)
        amends.poke()
        amends.step()
        taken.append([row.file.parent.name for row in journal.listed((State.SETTLING,))])
    journal.close()
    assert taken == [[], [], ["a", "b"], ["b"]]


def test_a_file_of_corrections_that_is_gone_takes_up_only_what_it_kept_from_being_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that comes back from a backup lacks them for a while: what is done stays as it is."""
    root, journal = os.fsencode(tmp_path), Journal.create(tmp_path / "state")
    for name, state in (("done.tif", State.DONE), ("barred.tif", State.SKIPPED)):
        path = root + b"/" + name.encode()
        journal.see(path, root, Signature(1, 2, 3, 4, 5), "new")
        row = journal.find(path)
        assert row
        assert journal.save(replace(row, state=state))
        corrections.write(tmp_path / name, tmp_path, Memory(name, "", Corrections((WISH,))))
    watch = [{"path": str(tmp_path)}]
    amends = Amends(Settings.model_validate({"state_dir": str(tmp_path / "state"), "watch": watch}), journal)
    monkeypatch.setattr(corrections, "outdated", lambda *_: False)
    amends.touch(tmp_path)
    amends.poke()
    amends.step()
    for row in journal.listed((State.SETTLING,)):
        assert journal.save(replace(row, state=State.SKIPPED))
    monkeypatch.setattr(corrections, "outdated", lambda *_: True)
    for name in ("done.tif", "barred.tif"):
        corrections.path_of(tmp_path / name, tmp_path).unlink()
    amends.poke()
    amends.step()
    assert [row.file.name for row in journal.listed((State.SETTLING,))] == ["barred.tif"]
    journal.close()


def test_a_mask_of_another_photo_is_left_where_it_is(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    assert hot.process(photo).returncode == 0
    (hot.folder / "IMG.jpg").write_bytes(b"other bytes")
    assert hot.process(hot.folder / "IMG.jpg").returncode == 0
    assert wishes(hot.folder) == wishes(hot.folder, "IMG-2.json") == []


def test_a_mask_of_the_command_line_is_remembered_too(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    painted = hot.base / "mask.png"
    painted.write_bytes(b"\x09")
    for _ in range(2):
        assert hot.process(photo, "--mask", painted).returncode == 0
    assert wishes(hot.folder)[0]["box"][0] == 9
    assert hot.process(photo).returncode == 0
    assert wishes(hot.folder)[0]["box"][0] == 9


def test_the_service_notices_masks_and_corrections_by_itself(hot: Hot) -> None:
    photo = hot.drop("Client/IMG.tif")
    folder = photo.parent
    hot.start()
    wait_for((folder / "IMG-retouched.tif").exists, "a result")
    wait_for(lambda: hot.rows("done"), "done")
    decide(folder, photo, WISH)
    wait_for(lambda: [w["wish"] for w in wishes(folder)] == ["keep"], f"the wish; {hot.log()}")
    wait_for(lambda: hot.rows("done"), "done")
    (folder / "_retouchd/IMG-mask.tif").write_bytes(b"\x05 painted")
    wait_for(lambda: [w["box"][0] for w in wishes(folder)] == [1, 5], f"the paint; {hot.log()}")
    wait_for(lambda: hot.rows("done"), "done")
    assert sorted(p.name for p in folder.glob("*.tif")) == ["IMG-retouched.tif", "IMG.tif"]
    assert hot.log().count('"corrected"') == 2


def test_what_was_corrected_while_nobody_watched_is_done_after_a_start(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    process = hot.start()
    wait_for(lambda: hot.rows("done"), "done")
    process.kill()
    process.wait()
    mask = hot.folder / "_retouchd/IMG-mask.tif"
    mask.write_bytes(b"\x05 painted")
    later = (hot.folder / "IMG-retouched.tif").stat().st_mtime_ns + 10**9
    os.utime(mask, ns=(later, later))
    hot.start()
    wait_for(lambda: [w["box"][0] for w in wishes(hot.folder)] == [5], f"the paint; {hot.log()}")
    assert photo.read_bytes() == b"photo"


def test_broken_corrections_stop_their_photo_and_say_why(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    hot.start()
    wait_for(lambda: hot.rows("done"), "done")
    memory = decide(hot.folder, photo, WISH)
    wait_for(lambda: [w["wish"] for w in wishes(hot.folder)] == ["keep"], "the wish")
    wait_for(lambda: hot.rows("done"), "done")
    path = corrections.path_of(photo, hot.folder)
    path.write_text("{")
    (row,) = wait_for(lambda: hot.rows("skipped"), f"skipped; {hot.log()}")
    assert "IMG.tif.json" in row["reason"]
    corrections.write(photo, hot.folder, replace(memory, decided=Corrections()))
    wait_for(lambda: wishes(hot.folder) == [], "no wish any more")


def test_a_slow_look_at_masks_tells_of_its_progress(tmp_path: Path) -> None:
    own = tmp_path / "_retouchd"
    told: list[int] = []
    own.mkdir()
    for i in range(300):
        (own / f"{i}-mask.tif").write_bytes(b"x")
    journal = Journal.create(tmp_path / "state")
    made = {"state_dir": str(tmp_path / "state"), "watch": [{"path": str(tmp_path)}]}
    amends = Amends(Settings.model_validate(made), journal, alive=lambda: told.append(1))
    amends.touch(tmp_path)
    amends.step()
    journal.close()
    assert len(told) >= 300


def test_what_is_decided_during_a_look_is_seen_by_the_next(tmp_path: Path) -> None:
    """On a share that answers slowly a look takes a minute, and the next comes 20 minutes later."""
    own, journal = tmp_path / "_retouchd", Journal.create(tmp_path / "state")
    looked: list[float] = []
    own.mkdir()
    (own / "IMG-mask.tif").write_bytes(b"x")
    made = {"state_dir": str(tmp_path / "state"), "watch": [{"path": str(tmp_path)}]}

    def during() -> None:
        if not looked:
            amends.poke()
        looked.append(now)

    now = 100.0
    amends = Amends(Settings.model_validate(made), journal, clock=lambda: now, alive=during)
    amends.touch(tmp_path)
    amends.step()
    now += 0.1
    amends.step()
    now += 0.1
    amends.step()
    journal.close()
    assert set(looked) == {100.0, 100.1}
