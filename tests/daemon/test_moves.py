"""What a studio does to its shoots over the months: an update, new settings, a rename, another mount."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.daemon.conftest import FAKE, Hot, wait_for

from retouch_engine import Correction, Corrections, Mark, Remembered, Vote, Wish
from retouchd import config
from retouchd.config import Settings
from retouchd.jobs import Digest, State
from retouchd.results import corrections, keepsakes, record
from retouchd.results.corrections import Memory
from retouchd.state.journal import Journal
from retouchd.watch.intake import Intake
from retouchd.web.review.album import Album, places_of
from retouchd.web.review.site import Site
from retouchd.web.review.viewer import Tiles

OTHERS = "[presets.studio]\nsensitivity = 40\n"
"""Other settings decide other pixels, as an update does and what was learned."""


FACE = Remembered("a.tif", (Mark(10.0, 30.0, 3.0, vote=Vote.KEEP), Mark(-20.0, 40.0, 2.0)))
"""A mark that a person wants kept, and one beside it."""


def mirrored_to(hot: Hot) -> Path:
    mirror = hot.base / "mirror"
    mirror.mkdir()
    plain = hot.config.read_text()
    hot.config.write_text(plain.replace("[scan]", f'output = "mirror:{mirror}"\n[scan]'))
    return mirror


def run_until_done(hot: Hot, count: int) -> None:
    """The service over the folder, until so many photos are done in this run."""
    before = hot.log().count('"event": "done"')
    process = hot.start()
    wait_for(lambda: hot.log().count('"event": "done"') >= before + count, hot.log())
    process.send_signal(signal.SIGTERM)
    process.wait()


def reasons(hot: Hot) -> dict[str, str]:
    return {Path(str(row["file"])).name: str(row["reason"]) for row in hot.rows("done")}


def results(hot: Hot) -> dict[str, bytes]:
    """The main TIFFs, by name: none is there twice."""
    found = list(hot.folder.rglob("*-retouched*.tif"))
    assert len(found) == len({path.name for path in found})
    return {path.name: path.read_bytes() for path in found}


def test_an_update_and_a_shoot_from_a_backup_replace_no_result(hot: Hot) -> None:
    shoot = hot.drop("day/a.tif").parent
    edited = hot.drop("day/b.tif").with_name("b-retouched.tif")
    run_until_done(hot, 2)
    edited.write_bytes(b"with a retoucher's work on it")
    before = results(hot)

    hot.configure(more=OTHERS)
    shutil.copytree(shoot, hot.folder / "restored")
    shutil.rmtree(shoot)
    run_until_done(hot, 2)
    assert results(hot) == before
    assert "with other settings or another version; retouchd requeue does it anew" in reasons(hot)["a.tif"]

    assert hot.about("requeue", hot.folder / "restored/a.tif").returncode == 0
    run_until_done(hot, 1)
    assert results(hot)["a-retouched.tif"] != before["a-retouched.tif"]


def test_after_an_update_a_correction_counts_wherever_the_shoot_went(hot: Hot) -> None:
    photo = hot.drop("day/a.tif")
    run_until_done(hot, 1)
    hot.configure(more=OTHERS)
    moved = photo.parent.rename(hot.folder / "renamed")
    (moved / "_retouchd/a-mask.tif").write_bytes(b"\x05 painted")
    run_until_done(hot, 1)
    told = json.loads((moved / "_retouchd/a.json").read_bytes())
    assert [spot["box"][0] for spot in told["corrections"]["spots"]] == [5]


@pytest.mark.parametrize("inner_first", [False, True])
def test_photos_are_known_when_the_folder_above_or_below_is_watched_instead(
    hot: Hot, *, inner_first: bool
) -> None:
    """Somebody watches this year, and no longer the folder of all years; or the other way round."""
    inner, plain = hot.folder / "2026", hot.config.read_text()
    narrow = plain.replace(f'path = "{hot.folder}"', f'path = "{inner}"')
    done, waits = hot.drop("2026/a.tif"), hot.drop("2026/b.tif", b"SLEEP=600 photo")
    hot.config.write_text(narrow if inner_first else plain)
    process = hot.start()
    wait_for(lambda: hot.rows("done") and hot.rows("running"), hot.log())
    process.kill()
    process.wait()

    hot.config.write_text(plain if inner_first else narrow)
    done.write_bytes(b"exported again")
    waits.write_bytes(b"photo")
    run_until_done(hot, 2)
    assert b"exported again" in results(hot)["a-retouched.tif"]
    assert len(hot.rows()) == 2


def knows(hot: Hot, folder: Path) -> dict[str, tuple[object, object]]:
    """What the journal says of each photo below a folder, which is all that it knows of."""
    rows = hot.rows()
    assert all(Path(str(row["file"])).is_relative_to(folder) for row in rows)
    return {Path(str(row["file"])).name: (row["state"], row["reason"]) for row in rows}


def decide_all(hot: Hot) -> dict[str, tuple[object, object]]:
    """A shoot with a photo for each way to be at rest; what the journal says of them."""
    shoot = hot.drop("day/done.tif").parent
    for name in ("undone.tif", "left alone.tif"):
        hot.drop(f"day/{name}", name.encode())
    hot.drop("day/bad.tif", b"DAMAGED")
    hot.drop("day/worse.tif", b"RAISE")
    hot.start()
    wait_for(lambda: [len(hot.rows(s)) for s in ("done", "skipped", "quarantined")] == [3, 1, 1], hot.log())
    assert hot.about("undo", shoot / "undone.tif").returncode == 0
    assert hot.about("skip", shoot / "left alone.tif").returncode == 0
    return knows(hot, shoot)


def test_what_a_person_said_goes_with_a_shoot_that_is_renamed(hot: Hot) -> None:
    before = decide_all(hot)
    moved = (hot.folder / "day").rename(hot.folder / "renamed")
    (moved / "_retouchd/done-mask.tif").write_bytes(b"\x05 painted")
    wait_for(lambda: hot.log().count('"corrected"') == 1 and len(hot.rows("done")) == 1, hot.log())
    assert {**knows(hot, moved), "done.tif": before["done.tif"]} == before
    assert list(results(hot)) == ["done-retouched.tif", "left alone-retouched.tif"]


def two_watched(hot: Hot) -> Path:
    """Another watched folder beside the first."""
    other = hot.base / "other"
    other.mkdir()
    hot.config.write_text(hot.config.read_text().replace("[scan]", f'[[watch]]\npath = "{other}"\n[scan]'))
    return other


def test_what_a_person_said_goes_with_a_shoot_into_another_watched_folder(hot: Hot) -> None:
    other = two_watched(hot)
    before = decide_all(hot)
    (hot.folder / "day").rename(other / "day")

    def known() -> dict[str, tuple[object, object]]:
        rows = [row for row in hot.rows() if Path(str(row["file"])).is_relative_to(other)]
        return {Path(str(row["file"])).name: (row["state"], row["reason"]) for row in rows}

    wait_for(lambda: known().get("done.tif") == ("done", "1 healed (was done already)"), hot.log())
    assert {**known(), "done.tif": before["done.tif"]} == before
    names = sorted(path.name for path in other.rglob("*-retouched*.tif"))
    assert names == ["done-retouched.tif", "left alone-retouched.tif"]


@pytest.mark.parametrize("how", ["mounted elsewhere", "named by a link", "other rights"])
def test_what_a_person_said_outlasts_another_mount_and_other_rights(hot: Hot, how: str) -> None:
    before = decide_all(hot)
    hot.running[0].send_signal(signal.SIGTERM)
    hot.running[0].wait()
    folder = hot.folder
    if how != "other rights":
        folder = hot.base / "elsewhere"
        hot.folder.rename(folder) if how == "mounted elsewhere" else folder.symlink_to(hot.folder)
        hot.config.write_text(hot.config.read_text().replace(f'"{hot.folder}"', f'"{folder}"'))
    else:
        for photo in folder.rglob("day/*.tif"):
            photo.chmod(0o600)
    (folder / "new.tif").write_bytes(b"photo")
    run_until_done(hot, 1)
    wait_for(lambda: knows(hot, folder)["bad.tif"] == before["bad.tif"])
    assert hot.log().count('"quarantined"') == 1
    after = knows(hot, folder)
    assert after.pop("new.tif")[0] == "done"
    assert {name: after[name] for name in before if name != "done.tif"} == {
        name: told for name, told in before.items() if name != "done.tif"
    }


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_was_decided_about_a_photo_outlasts_another_name(hot: Hot, *, mirrored: bool) -> None:
    """Renamed by an editor after it was corrected; where results lie in a mirror, so is its folder."""
    top = mirrored_to(hot) if mirrored else hot.folder
    own = top / "day/_retouchd"
    photo = hot.drop("day/a.tif")
    run_until_done(hot, 1)
    (own / "a-mask.tif").write_bytes(b"\x05 painted")
    run_until_done(hot, 1)
    if mirrored:
        photo.parent.rename(hot.folder / "renamed")
        own, name = top / "renamed/_retouchd", "a"
    else:
        photo.rename(photo.with_name("Smith.tif"))
        name = "Smith"
    run_until_done(hot, 1)
    told = json.loads((own / f"{name}.json").read_bytes())
    assert [spot["box"][0] for spot in told["corrections"]["spots"]] == [5]
    assert (own / f"corrections/{name}.tif.json").exists()


@pytest.mark.parametrize("journal_lost", [False, True])
def test_results_in_a_mirror_are_known_when_the_photos_are_mounted_elsewhere(
    hot: Hot, *, journal_lost: bool
) -> None:
    mirror, plain = mirrored_to(hot), hot.config.read_text()
    hot.drop("day/a.tif")
    run_until_done(hot, 1)
    before = {path: path.read_bytes() for path in mirror.rglob("*.*") if path.name != "a.json"}

    elsewhere = hot.folder.rename(hot.base / "elsewhere")
    hot.config.write_text(plain.replace(f'"{hot.folder}"', f'"{elsewhere}"'))
    for path in hot.state.glob("journal*") if journal_lost else ():
        path.unlink()
    run_until_done(hot, 1)
    assert {path: path.read_bytes() for path in mirror.rglob("*.*") if path.name != "a.json"} == before
    told = hot.about("why", elsewhere / "day/a.tif").stdout
    assert told == "done: 1 healed (was done already) -> a-retouched.tif\n"


@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_kept_marks_go_with_a_shoot_whose_results_lie_in_a_mirror(hot: Hot, how: str) -> None:
    """Under its new name the shoot had no list, and what a person had kept was healed in its next photo."""
    mirror, shoot = mirrored_to(hot), hot.drop("day/a.tif").parent
    hot.drop("day/b.tif", b"another")
    run_until_done(hot, 2)
    keepsakes.keep(mirror / "day", [FACE])
    if how == "renamed":
        shoot.rename(hot.folder / "renamed")
        shoot.mkdir()  # and the next one got its name
        hot.drop("renamed/0 next.tif", b"the next photo")
        journal = Journal.attach(hot.state)
        # With the look that finds them, before any is done.
        Intake(config.load(hot.config), journal).look()
        journal.close()
    else:
        shutil.copytree(shoot, hot.folder / "renamed")
        shutil.rmtree(shoot)
        run_until_done(hot, 2)
    assert [one.face for one in keepsakes.kept(mirror / "renamed")] == [FACE]
    assert [one.face for one in keepsakes.kept(mirror / "day")] == [FACE]


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_mask_that_was_painted_before_its_photo_was_renamed_counts_once(
    hot: Hot, *, mirrored: bool
) -> None:
    """While the service did not look: the photo was done anew by other settings, and without the mask."""
    top = mirrored_to(hot) if mirrored else hot.folder
    photo = hot.drop("a.tif")
    run_until_done(hot, 1)
    (top / "_retouchd/a-mask.tif").write_bytes(b"\x05 painted")
    hot.config.write_text(hot.config.read_text() + OTHERS)
    for name in ("Smith", "Jones"):
        photo = photo.rename(photo.with_name(f"{name}.tif"))
        run_until_done(hot, 1)
        told = json.loads((top / f"_retouchd/{name}.json").read_bytes())
        assert [spot["box"][0] for spot in told["corrections"]["spots"]] == [5]
        assert told["last_run"] == {"taken_up": True, "other_settings": True}
    assert reasons(hot)["Jones.tif"].endswith("(same pixels as Smith.tif; its result was copied)")


CAPITALS_DO_NOT_MATTER = """
import os
there = os.path.lexists
def lexists(path):
    folder, name = os.path.split(os.fspath(path))
    photos = os.listdir(folder) if os.path.basename(folder) == "hot" else []
    return there(path) or name.lower() in map(str.lower, photos)
os.path.lexists = lexists
"""


@pytest.mark.parametrize("results_too", [True, False])
def test_a_photo_whose_capitals_change_is_no_copy(hot: Hot, *, results_too: bool) -> None:
    """On a share where they do not matter IMG.JPG is there still: all of a shoot got a second result.

    Its own results answer to the new name as well, those in a mirror on another disk do not.
    """
    top = hot.folder if results_too else mirrored_to(hot)
    photo = hot.drop("IMG.JPG")
    run_until_done(hot, 1)
    done = (top / "IMG-retouched.tif").read_bytes()
    photo.rename(photo.with_name("img.jpg"))
    for path in [*top.glob("IMG*"), *top.glob("_retouchd/IMG*")] if results_too else ():
        path.rename(path.with_name(path.name.replace("IMG", "img")))
    hot.config.write_text(hot.config.read_text() + OTHERS)
    hot.start(before=CAPITALS_DO_NOT_MATTER)
    wait_for(lambda: "img.jpg" in reasons(hot), hot.log())

    assert (top / "img-retouched.tif").read_bytes() == done
    assert not (top / "img-retouched-2.tif").exists()
    told = json.loads((top / "_retouchd/img.json").read_bytes())
    assert told["source"]["name"] == "img.jpg"
    if results_too:
        assert "was done already" in reasons(hot)["img.jpg"]


def test_a_command_makes_no_second_result_when_capitals_change(hot: Hot) -> None:
    photo = hot.drop("IMG.JPG")
    main = f"{CAPITALS_DO_NOT_MATTER}\nfrom retouchd.__main__ import main\nmain()"

    def process(*more: str) -> str:
        command = [sys.executable, "-c", main, "process", str(photo), "--engine", FAKE, *more]
        return str(subprocess.run(command, env=hot.env, capture_output=True, text=True, check=True).stdout)

    process()
    done = (hot.folder / "IMG-retouched.tif").read_bytes()
    photo = photo.rename(photo.with_name("img.jpg"))
    for path in [*hot.folder.glob("IMG*"), *hot.folder.glob("_retouchd/IMG*")]:
        path.rename(path.with_name(path.name.replace("IMG", "img")))
    told = (hot.folder / "_retouchd/img.json").read_bytes()
    process("--dry-run")
    assert (hot.folder / "_retouchd/img.json").read_bytes() == told

    assert "was done already" in process()
    assert [p.name for p in hot.folder.glob("*-retouched*.tif")] == ["img-retouched.tif"]
    assert (hot.folder / "img-retouched.tif").read_bytes() == done


def test_two_photos_whose_names_differ_in_capitals_are_two(tmp_path: Path) -> None:
    path = tmp_path / "_retouchd/img.json"
    path.parent.mkdir()
    told = {"schema": "retouchd.record/1", "source": {"name": "IMG.jpg", "sha256": "aa"}, "outputs": {}}
    path.write_text(json.dumps(told))
    for name in ("IMG.jpg", "img.jpg"):
        (tmp_path / name).write_bytes(b"both are there")
    record.take_over(tmp_path / "img.jpg", tmp_path, Digest("aa"))
    assert json.loads(path.read_bytes()) == told


@pytest.mark.parametrize("named", ["day/Smith.tif", "renamed/a.tif"])
def test_what_is_done_stays_as_it_is_when_it_is_renamed_after_an_update(hot: Hot, named: str) -> None:
    """In a mirror nothing lies beside the new name: the photo was found and judged anew by new settings."""
    mirror, photo = mirrored_to(hot), hot.drop("day/a.tif")
    run_until_done(hot, 1)
    own = mirror / "day/_retouchd"
    (own / "a-mask.tif").write_bytes(b"\x05 painted")
    run_until_done(hot, 1)
    before = json.loads((own / "a.json").read_bytes())

    hot.config.write_text(hot.config.read_text() + OTHERS)
    after = hot.folder / named
    photo.parent.rename(after.parent) if after.name == photo.name else photo.rename(after)
    run_until_done(hot, 1)
    result = mirror / named.replace(".tif", "-retouched.tif")
    assert result.read_bytes() == (mirror / "day/a-retouched.tif").read_bytes()
    told = record.read(result.parent / "_retouchd" / f"{after.stem}.json")
    assert told
    assert record.recipe_digest(told) == record.recipe_digest(before)
    # And when it is corrected once more.
    (result.parent / "_retouchd" / f"{after.stem}-mask.tif").write_bytes(b"\x07 painted")
    run_until_done(hot, 1)
    told = json.loads((result.parent / "_retouchd" / f"{after.stem}.json").read_bytes())
    assert [spot["box"][0] for spot in told["corrections"]["spots"]] == [5, 7]
    assert told["last_run"] == {"taken_up": True, "other_settings": True}


@pytest.mark.parametrize("written_for", ["a.tif", "Smith.tif"])
def test_a_correction_that_waits_is_done_by_what_the_photo_was_begun_with_under_its_new_name(
    hot: Hot, written_for: str
) -> None:
    photo = hot.drop("a.tif")
    run_until_done(hot, 1)
    told = json.loads((hot.folder / "_retouchd/a.json").read_bytes())
    decided = Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
    memory = Memory(written_for, record.source_digest(told), decided)
    corrections.write(hot.folder / written_for, hot.folder, memory)
    hot.configure(more=OTHERS)
    photo.rename(photo.with_name("Smith.tif"))
    run_until_done(hot, 1)
    after = json.loads((hot.folder / "_retouchd/Smith.json").read_bytes())
    assert after["last_run"] == {"taken_up": True, "other_settings": True}
    assert record.recipe_digest(after) == decided.key(record.recipe_digest(told))


def test_a_photo_that_was_renamed_twice_is_taken_up_where_it_was_done_last(hot: Hot) -> None:
    photo = hot.drop("a.tif")
    run_until_done(hot, 1)
    photo = photo.rename(photo.with_name("b.tif"))
    run_until_done(hot, 1)
    hot.configure(more=OTHERS)
    assert hot.about("requeue", photo).returncode == 0
    run_until_done(hot, 1)
    told = json.loads((hot.folder / "_retouchd/b.json").read_bytes())
    assert told["last_run"] == {}
    decided = Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
    corrections.write(photo, hot.folder, Memory("b.tif", record.source_digest(told), decided))
    photo.rename(photo.with_name("c.tif"))
    run_until_done(hot, 1)
    after = json.loads((hot.folder / "_retouchd/c.json").read_bytes())
    assert record.recipe_digest(after) == decided.key(record.recipe_digest(told))


def test_a_correction_that_waits_goes_with_a_shoot_whose_results_lie_in_a_mirror(hot: Hot) -> None:
    """The photo followed its shoot, its correction did not: what a person had kept was healed once more."""
    mirror, photo = mirrored_to(hot), hot.drop("day/a.tif")
    run_until_done(hot, 1)
    told = json.loads((mirror / "day/_retouchd/a.json").read_bytes())
    hot.start()
    assert hot.about("pause").returncode == 0
    decided = Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
    memory = Memory("a.tif", record.source_digest(told), decided)
    corrections.write(photo, mirror / "day", memory)
    wait_for(lambda: hot.rows("queued"), hot.log())
    renamed = photo.parent.rename(hot.folder / "renamed")
    wait_for(lambda: [row for row in hot.rows("queued") if row["file"] == str(renamed / "a.tif")], hot.log())
    assert hot.about("resume").returncode == 0
    wait_for(lambda: hot.rows("done"), hot.log())
    after = json.loads((mirror / "renamed/_retouchd/a.json").read_bytes())
    assert after["corrections"] == decided.as_json()
    assert after["last_run"]["taken_up"] is True


def test_a_copy_is_a_photo_of_its_own(hot: Hot) -> None:
    """What is still there under its other name was not renamed: the copy is done by what holds now."""
    photo = hot.drop("a.tif")
    run_until_done(hot, 1)
    hot.configure(more=OTHERS)
    shutil.copy(photo, photo.with_name("copy.tif"))
    run_until_done(hot, 1)
    one, other = (record.read(hot.folder / f"_retouchd/{name}.json") for name in ("a", "copy"))
    assert one
    assert other
    assert record.recipe_digest(one) != record.recipe_digest(other)


def test_a_copy_of_a_photo_on_a_card_that_was_taken_out_is_a_photo_of_its_own(hot: Hot) -> None:
    """It took the card's photo for itself under a former name: that one's result and its shoot's list."""
    card, mirror = hot.base / "card/day", hot.base / "mirror"
    card.mkdir(parents=True)
    mirror.mkdir()
    (card / "a.tif").write_bytes(b"photo")
    watched = f'\n[[watch]]\npath = "{card.parent}"\noutput = "mirror:{mirror}"\n'
    hot.configure(more=watched)
    run_until_done(hot, 1)
    keepsakes.keep(mirror / "day", [FACE])
    card.parent.rename(hot.base / "taken out")
    hot.configure(more=watched + OTHERS)
    hot.drop("a.tif")
    run_until_done(hot, 1)
    one, other = (record.read(top / "_retouchd/a.json") for top in (mirror / "day", hot.folder))
    assert one
    assert other
    assert record.recipe_digest(one) != record.recipe_digest(other)
    assert keepsakes.kept(hot.folder) == ()


def test_a_photo_that_moves_alone_takes_no_list_along(hot: Hot) -> None:
    """The list is the shoot's: people are known by it in no other folder."""
    mirror, photo = mirrored_to(hot), hot.drop("day/a.tif")
    hot.drop("day/b.tif", b"another")
    run_until_done(hot, 2)
    keepsakes.keep(mirror / "day", [FACE])
    (hot.folder / "other").mkdir()
    photo.rename(hot.folder / "other/a.tif")
    run_until_done(hot, 1)
    assert keepsakes.kept(mirror / "other") == ()


def test_a_list_that_cannot_come_along_keeps_its_photos_waiting(hot: Hot) -> None:
    mirror, shoot = mirrored_to(hot), hot.drop("day/a.tif").parent
    hot.drop("day/b.tif", b"another")
    run_until_done(hot, 2)
    keepsakes.keep(mirror / "day", [FACE])
    keepsakes.path_of(mirror / "day").write_text("{")
    shoot.rename(hot.folder / "renamed")
    process = hot.start()
    wait_for(lambda: [r["code"] for r in hot.rows("skipped")] == ["keep-list"] * 2, hot.log())
    assert hot.log().count("kept marks stay behind") == 1, "asked once for a folder, not for each photo"
    assert "keep.json" in hot.about("why", hot.folder / "renamed/a.tif").stdout
    assert process.poll() is None


def test_a_photo_takes_over_no_results_of_other_bytes_nor_of_a_photo_that_is_there(tmp_path: Path) -> None:
    mirror, (mine, theirs) = tmp_path / "mirror", (tmp_path / "mine/a.tif", tmp_path / "theirs/a.tif")
    told = {"schema": "retouchd.record/1", "outputs": {}}
    told["source"] = {"name": "a.tif", "sha256": "aa", "folder": str(theirs.parent)}
    path = mirror / "_retouchd/a.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(told))
    record.take_over(mine, mirror, Digest("bb"))
    theirs.parent.mkdir()
    theirs.write_bytes(b"still there")
    record.take_over(mine, mirror, Digest("aa"))
    assert json.loads(path.read_bytes()) == told
    theirs.unlink()
    record.take_over(mine, mirror, Digest("aa"))
    assert [told["source"]["name"] for _, told in record.sets_of(mine, mirror)] == ["a.tif"]


def approved(hot: Hot, photo: Path, *, press: bool = False) -> bool:
    """Whether the review page calls a photo approved; ``press`` says so first."""
    album = Album(places_of([(hot.folder, None)]))
    (one,) = album.shoots()[0].photos
    if press:
        site = Site(album, Tiles(1.0))
        assert site.post(f"/photo/{one.id}/approve", {"approved": True}).code == 200
        return approved(hot, photo)
    assert one.source == photo
    return one.approved


def test_only_the_result_that_a_person_saw_stays_approved(hot: Hot) -> None:
    """Requeue after an update made another one, which counted as approved and was not asked about."""
    photo = hot.drop("a.tif")
    assert hot.process(photo).returncode == 0
    assert approved(hot, photo, press=True)
    assert hot.process(photo, "--preset", "school").returncode == 0
    assert not approved(hot, photo)

    memory = Memory("a.tif", json.loads((hot.folder / "_retouchd/a.json").read_bytes())["source"]["sha256"])
    decided = Corrections((Correction((1, 2, 3, 4), Wish.KEEP),))
    corrections.write(photo, hot.folder, replace(memory, decided=decided))
    assert approved(hot, photo, press=True)
    assert hot.process(photo, "--preset", "school").returncode == 0
    assert approved(hot, photo)


@pytest.mark.parametrize("order", [1, -1])
def test_a_watched_link_inside_a_watched_folder_keeps_its_photos(tmp_path: Path, order: int) -> None:
    above, linked = tmp_path / "above", tmp_path / "above/link"
    (tmp_path / "elsewhere").mkdir()
    above.mkdir()
    linked.symlink_to(tmp_path / "elsewhere")
    (linked / "a.tif").write_bytes(b"photo")
    watched = [{"path": str(path)} for path in (above, linked)][::order]
    settings = Settings.model_validate({"state_dir": str(tmp_path / "state"), "watch": watched})
    journal = Journal.create(tmp_path / "state")
    for _ in range(2):  # with each start
        Intake(settings, journal, table=list).look()
        (row,) = journal.listed()
        assert (row.file, row.root) == (linked / "a.tif", os.fsencode(linked))
    journal.close()


def test_photos_that_wait_keep_their_place_when_their_folder_is_renamed(tmp_path: Path) -> None:
    """They were skipped under the old name, for good, and stood at the end of the line under the new one."""
    hot = tmp_path / "hot"
    (hot / "day").mkdir(parents=True)
    for name in ("a.tif", "b.tif"):
        (hot / "day" / name).write_bytes(b"photo")
    now = [0.0]
    made = {"state_dir": str(tmp_path / "state"), "watch": [{"path": str(hot)}]}
    journal = Journal.create(tmp_path / "state", lambda: now[0])
    intake = Intake(Settings.model_validate(made), journal, clock=lambda: now[0], table=list)

    def look() -> list[tuple[int, State, Path]]:
        now[0] += 60
        intake.look()
        return [(row.id, row.state, row.file) for row in journal.listed()]

    look()
    assert [state for _, state, _ in look()] == [State.QUEUED] * 2
    renamed = (hot / "day").rename(hot / "renamed")
    expected = [(1, State.QUEUED, renamed / "a.tif"), (2, State.QUEUED, renamed / "b.tif")]
    assert look() == expected
    assert look() == expected
    journal.close()
