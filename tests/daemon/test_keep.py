"""Marks that stay: the list, the command, and what a photo is told of its neighbours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemon.conftest import Hot, wait_for

from retouch_engine import RECORD_SCHEMA, Agree, EngineError, Mark, Order, Recipe, Remembered, Vote
from retouchd import naming
from retouchd.errors import UnsafeFolder
from retouchd.jobs import Signature, State
from retouchd.results import corrections, keepsakes, publish, record, sittings
from retouchd.results.keepsakes import BrokenKeepList
from retouchd.state.journal import Journal
from retouchd.web.review import Album, Place, Site, Tiles
from retouchd.work import protocol, worker

RECIPE = Recipe()
SOURCE = {"name": "IMG_2.tif", "sha256": "ab" * 32}
EYES = [[100.0, 100.0], [163.0, 100.0]]
"""63 mm apart at 1 px/mm."""


def spot(number: int, x: int, y: int, **more: Any) -> dict[str, Any]:
    """A recorded spot whose middle is ``(x, y)`` mm from the eyes."""
    return {
        "id": number,
        "box": [131 + x - 2, 100 + y - 2, 5, 5],
        "diameter_px": 3.0,
        "diameter_mm": 3.0,
        "kind": "red_spot",
        "score": 0.9,
        "decision": "healed",
        "reason": "drawn",
        "features": {"melanin": 0.2, "rise_g": 0.3},
        "sure": True,
        "place": {"face": 1, "x_mm": float(x), "y_mm": float(y)},
        **more,
    }


def put_record(folder: Path, name: str, *spots: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {
        "schema": RECORD_SCHEMA,
        "source": {"name": f"{name}.tif", "sha256": "ab" * 32},
        "faces": [{"id": 1, "box": [80, 50, 100, 150], "eyes": EYES, "px_per_mm": 1.0}],
        "followed": {"recipe": RECIPE.digest, "spots": []},
        "spots": list(spots),
        **more,
    }
    (folder / "_retouchd").mkdir(exist_ok=True)
    (folder / f"_retouchd/{name}.json").write_text(json.dumps(told))
    return told


@pytest.fixture
def shoot(tmp_path: Path) -> Path:
    (tmp_path / "IMG_2.tif").write_bytes(b"photo")
    put_record(tmp_path, "IMG_2", spot(1, 10, 40), spot(2, -20, 30), spot(3, 5, 70, kind="mole", sure=False))
    return tmp_path


def told_to(folder: Path, name: str, recipe: Recipe = RECIPE) -> list[Remembered]:
    return list(sittings.recalled(folder / name, folder, "", recipe).faces)


def test_the_result_of_a_twin_is_not_copied_to_where_marks_are_kept(hot: Hot) -> None:
    """The same bytes were done in a folder without the list, so the kept mark may be healed there."""
    calls = hot.base / "calls"
    hot.env |= {"FAKE_CALLS": str(calls)}
    first = hot.drop("Client A/IMG.tif", b"photo")
    hot.start()
    wait_for(lambda: len(hot.rows("done")) == 1, hot.log())
    hot.drop("Client B/other.tif", b"another photo")
    wait_for(lambda: len(hot.rows("done")) == 2, hot.log())
    folder = hot.folder / "Client B"
    keepsakes.keep(folder, [Remembered("other.tif", (Mark(10.0, 40.0, 3.0, vote=Vote.KEEP),))])
    for place in ("Client B", "Client C"):
        hot.drop(f"{place}/copy.tif", first.read_bytes())
    wait_for(lambda: len(hot.rows("done")) == 4, hot.log())

    assert calls.read_text().splitlines() == ["IMG.tif", "other.tif", "copy.tif"]
    assert "same pixels" not in hot.about("why", folder / "copy.tif").stdout
    assert "same pixels" in hot.about("why", hot.folder / "Client C/copy.tif").stdout


def test_the_command_keeps_lists_and_forgets(hot: Hot, shoot: Path) -> None:
    photo = shoot / "IMG_2.tif"
    kept = hot.cli("keep", photo, "--at", "141,140")
    assert kept.returncode == 0, kept.stderr
    assert "done again" in kept.stdout
    (one,) = keepsakes.kept(shoot)
    assert (one.mark.x, one.mark.y, one.mark.vote) == (10, 40, Vote.KEEP)
    assert {m.vote for m in one.face.marks[1:]} == {Vote.NONE}
    # The photo itself gets the same word as the review page would give it.
    wish = corrections.read(photo, shoot, "ab" * 32).decided.spots[0]
    assert (wish.box, str(wish.wish)) == ((139, 138, 5, 5), "keep")
    assert "1  3.0 mm wide, 10 mm right" in hot.cli("keep", shoot, "--list").stdout
    assert hot.cli("keep", photo, "--at", "141,140").returncode == 0
    assert len(keepsakes.kept(shoot)) == 1
    assert hot.cli("keep", shoot, "--forget", "7").returncode == 1
    assert hot.cli("keep", shoot, "--forget", "1").returncode == 0
    assert keepsakes.kept(shoot) == ()
    assert not keepsakes.path_of(shoot).exists()


def test_a_place_where_nothing_was_found_is_kept_too(hot: Hot, shoot: Path) -> None:
    assert hot.cli("keep", shoot / "IMG_2.tif", "--at", "160,165").returncode == 0
    (one,) = keepsakes.kept(shoot)
    assert (round(one.mark.x), one.mark.y) == (28, 65)
    assert one.mark.melanin is None
    assert len(one.face.marks) == 4


@pytest.mark.parametrize(
    "words", [("--at", "1,2", "--list"), (), ("--at", "left"), ("--at", "-3,4"), ("--forget", "x")]
)
def test_nonsense_is_wrong_usage(hot: Hot, shoot: Path, words: tuple[str, ...]) -> None:
    assert hot.cli("keep", shoot / "IMG_2.tif", *words).returncode == 2


def test_a_photo_that_is_not_done_has_nothing_to_keep(hot: Hot, tmp_path: Path) -> None:
    (tmp_path / "IMG.tif").write_bytes(b"photo")
    said = hot.cli("keep", tmp_path / "IMG.tif", "--at", "1,1")
    assert said.returncode == 1
    assert "not done yet" in said.stderr


def test_what_is_kept_is_told_to_every_photo_of_the_folder(shoot: Path) -> None:
    told = json.loads((shoot / "_retouchd/IMG_2.json").read_text())
    keepsakes.keep_spots(shoot, told, [told["spots"][0]])
    for recipe in (RECIPE, replace(RECIPE, agree=Agree.OFF)):
        assert told_to(shoot, "IMG_977.tif", recipe)[0].marks[0].vote is Vote.KEEP
    keepsakes.let_go(shoot, told, [told["spots"][1]])
    assert len(keepsakes.kept(shoot)) == 1
    keepsakes.let_go(shoot, told, [told["spots"][0]])
    assert keepsakes.kept(shoot) == ()


def test_neighbours_speak_in_order_of_their_distance_and_only_when_done_alike(shoot: Path) -> None:
    for name in ("IMG_1", "IMG_9", "IMG_10", "IMG_11"):
        put_record(shoot, name, spot(1, 10, 40))
    put_record(shoot, "IMG_4", spot(1, 10, 40), followed={"recipe": "another"})
    put_record(shoot, "IMG_5", spot(1, 10, 40), corrections={"sensitivity": 90, "spots": []})
    (shoot / "_retouchd/IMG_6.json").write_text("[1, 2")
    faces = told_to(shoot, "IMG_3.tif")
    assert [f.photo for f in faces] == [f"IMG_{n}.tif" for n in (2, 4, 1, 5, 9, 10, 11)]
    silent = {f.photo for f in faces if all(m.vote is Vote.NONE for m in f.marks)}
    assert silent == {"IMG_4.tif", "IMG_5.tif"}
    assert told_to(shoot, "IMG_3.tif", replace(RECIPE, agree=Agree.OFF)) == []
    # Not a photo's own earlier result, and not those of another folder that are collected here.
    put_record(shoot, "IMG_1", spot(1, 10, 40), source={"name": "IMG_1.tif", "folder": "/elsewhere"})
    assert "IMG_2.tif" not in {f.photo for f in told_to(shoot, "IMG_2.tif")}
    assert "IMG_1.tif" not in {f.photo for f in told_to(shoot, "IMG_2.tif")}


def test_a_digit_that_is_no_number_is_a_name_like_any(shoot: Path) -> None:
    put_record(shoot, "IMG_4\N{SUPERSCRIPT TWO}5", spot(1, 10, 40))
    assert len(told_to(shoot, "IMG_3.tif")) == 2


def test_a_record_on_its_way_counts_as_if_it_lay_there(shoot: Path) -> None:
    fresh = put_record(shoot, "IMG_3", spot(1, 10, 40))
    (shoot / "_retouchd/IMG_3.json").unlink()
    sitting = sittings.recalled(shoot / "IMG_4.tif", shoot, "", RECIPE, [fresh])
    assert [f.photo for f in sitting.faces] == ["IMG_3.tif", "IMG_2.tif"]


def test_a_photo_done_again_follows_what_it_followed(shoot: Path) -> None:
    one = {"box": [1, 2, 3, 4], "vote": "leave", "photo": "IMG_1.tif"}
    put_record(shoot, "IMG_2", spot(1, 10, 40), followed={"recipe": RECIPE.digest, "spots": [one]})
    put_record(shoot, "IMG_3", spot(1, 10, 40))
    photo = shoot / "IMG_2.tif"
    again = sittings.recalled(photo, shoot, "ab" * 32, RECIPE)
    assert again.settled is not None
    assert [f.box for f in again.settled] == [(1, 2, 3, 4)]
    for digest, recipe in (("cd" * 32, RECIPE), ("ab" * 32, Recipe(sensitivity=60))):
        assert sittings.recalled(photo, shoot, digest, recipe).settled is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": "other"}',
        '{"schema": "retouchd.keep/1", "kept": 3}',
        '{"schema": "retouchd.keep/1", "kept": [{"id": 1, "photo": "a", "marks": []}]}',
        '{"schema": "retouchd.keep/1", "kept": [{"id": 1, "photo": "a", "marks": [{"x": 1e9, "mm": 1}]}]}',
        "[" * 100_000,
    ],
)
def test_a_broken_list_is_never_taken_for_none(hot: Hot, text: str) -> None:
    photo = hot.drop("IMG.tif")
    path = keepsakes.path_of(hot.folder)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(BrokenKeepList):
        keepsakes.kept(hot.folder)
    if len(text) < 1000:
        said = hot.process(photo)
        assert said.returncode == 1
        assert "repair or remove it" in said.stderr
        assert not (hot.folder / "IMG-retouched.tif").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "photo", "marks", "x", "y", "mm", "vote"]), inner, max_size=5
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_no_list_ends_in_anything_but_marks_or_a_reason(told: Any) -> None:
    try:
        one = keepsakes._one(told)
    except (ValueError, TypeError, EngineError):
        return
    assert one.mark.vote is Vote.KEEP


def test_a_symlink_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "_retouchd").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "_retouchd/corrections").symlink_to(tmp_path / "elsewhere")
    face = Remembered("IMG.tif", (Mark(1, 2, 3, vote=Vote.KEEP),))
    with pytest.raises((UnsafeFolder, BrokenKeepList)):
        keepsakes.keep(tmp_path, [face])
    assert not list((tmp_path / "elsewhere").iterdir())


def test_of_the_photos_on_their_way_only_the_closest_are_read(tmp_path: Path) -> None:
    """Behind a slow share 300 waited: for each photo all of their records were read, in 0.4 seconds."""
    journal = Journal.create(tmp_path)
    for number in (*range(20), *range(100, 120)):
        path = f"/hot/day/IMG_{number}.tif" if number != 9 else "/hot/other/IMG_9.tif"
        journal.see(path.encode(), b"/hot", Signature(1, 2, 3, 4, 5), "")
        row = journal.find(path.encode())
        assert row
        plan = json.dumps({"record": {"number": number}})
        journal.save(replace(row, state=State.RENDERED, plan=plan))
    found = sittings.on_their_way(journal, Path("/hot/day/IMG_17.tif"))
    assert [told["number"] for told in found] == [11, 12, 13, 14, 15, 16, 18, 19, 100, 101, 102, 103]
    assert [row.plan for row in journal.unpublished()] == [""] * 40
    found = sittings.on_their_way(journal, Path("/hot/other/IMG_17.tif"))
    assert [told["number"] for told in found] == [9]
    journal.close()


def test_what_is_remembered_reaches_the_engine_as_it_is(shoot: Path) -> None:
    sitting = sittings.recalled(shoot / "IMG_3.tif", shoot, "", RECIPE)
    assert sitting.faces
    order = Order(shoot / "IMG_3.tif", shoot / "staging", RECIPE, sitting=sitting)
    line = protocol.encode(protocol.order("retouch", order))
    assert worker._order(protocol.decode(line)) == order


def test_a_result_that_followed_others_is_not_copied_to_another_folder(shoot: Path) -> None:
    result = shoot / "IMG_2-retouched.tif"
    result.write_bytes(b"result")
    outputs = {"result": {"sha256": record.digest_of(result)}}
    for followed, files in (({}, {"result"}), ({"recipe": RECIPE.digest, "spots": [{}]}, set())):
        told = put_record(shoot, "IMG_2", followed=followed, outputs=outputs)
        done = publish.Published(naming.first_set(shoot / "IMG_2.tif", shoot), told)
        assert set(publish.reusable(done, lambda: None)) == files
    result.write_bytes(b"edited")
    told = put_record(shoot, "IMG_2", outputs=outputs)
    assert publish.reusable(publish.Published(done.names, told), lambda: None) == {}


def test_keep_on_the_review_page_is_for_the_whole_folder_and_heal_takes_it_back(shoot: Path) -> None:
    counts = {"found": 3, "healed": 2, "kept": 1, "review": 0, "failed": 0}
    spots = (spot(1, 10, 40), spot(2, -20, 30))
    put_record(shoot, "IMG_2", *spots, counts=counts, source={**SOURCE, "width": 400, "height": 300})
    (shoot / "IMG_2-retouched.tif").write_bytes(b"result")
    album = Album([Place(shoot, shoot)])
    site = Site(album, Tiles(1.0))
    (photo,) = album.shoots()[0].photos

    def say(wish: str) -> None:
        site.post(f"/photo/{photo.id}/decide", {"spots": [{"box": spots[0]["box"], "wish": wish}]})

    say("reject")
    assert keepsakes.kept(shoot) == ()
    say("keep")
    assert [(k.mark.x, k.mark.y) for k in keepsakes.kept(shoot)] == [(10, 40)]
    say("heal")
    assert keepsakes.kept(shoot) == ()
