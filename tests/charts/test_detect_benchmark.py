"""The detection benchmark: known answers for known finds, and the rendered set end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.detect import measured, plain, rendered, report
from benchmarks.detect_score import Tally, counted, tone_of
from benchmarks.files import write_photo
from benchmarks.spots.labels import LABELS, Portrait, folds, portraits, second_photos

from retouch_engine import Kind
from retouch_engine.detect import chosen
from retouch_engine.recipe import Recipe
from retouch_engine.types import Box, HealerId, Spot, Step


def portrait(labels: dict[str, Any], person: str = "one") -> Portrait:
    return Portrait(Path(person), labels, np.full((200, 300, 3), 180, np.uint8))


def step(x: int, y: int, *, healed: bool = True, review: bool = False) -> Step:
    box, mask = Box(y - 3, x - 3, y + 3, x + 3), np.ones((6, 6), np.bool_)
    spot = Spot(1, box, mask, 6.0, Kind.PIMPLE, 0.9, sure=healed, reason="drawn")
    return Step(spot, (HealerId("clone"),) if healed else (), mask, box, "drawn", review)


MARKS: dict[str, Any] = {
    "blemish": [{"cx": 50, "cy": 50, "r": 5, "cls": "pimple"}, {"cx": 100, "cy": 50, "r": 5}],
    "keep": [{"cx": 50, "cy": 150, "r": 4, "cls": "mole"}],
    "ignore": [{"cx": 200, "cy": 50, "r": 6}],
    "protect": [{"polygon": [(240, 90), (280, 90), (280, 130), (240, 130)]}],
}


def test_each_find_counts_for_what_lies_under_it() -> None:
    tally = Tally()
    steps = [step(50, 50), step(100, 50, healed=False, review=True), step(200, 50), step(150, 100)]
    counted(tally, portrait(MARKS), steps, "light", 5.0)
    assert (tally.count("blemish", "healed"), tally.count("blemish", "offered")) == (1, 1)
    assert tally.count("keep", "healed") == 0
    assert (tally.found("nothing", "healed"), tally.found("ignore", "healed")) == (1, 1)
    assert tally.marks[0].mm == pytest.approx(2.0)


def test_a_lost_mole_and_a_touched_eye_are_seen() -> None:
    tally = Tally()
    counted(tally, portrait(MARKS), [step(51, 149), step(260, 110)], "light", None)
    assert tally.count("keep", "healed") == 1
    assert tally.protected_px == 36


def test_a_mark_found_twice_counts_once() -> None:
    tally = Tally()
    steps = [step(48, 50, healed=False, review=True), step(52, 50)]
    counted(tally, portrait(MARKS), steps, "light", None)
    assert tally.count("blemish", "healed") == 1
    assert tally.count("blemish", "offered") == 0


def test_a_mark_is_called_what_the_find_says_that_decided() -> None:
    tally = Tally()
    kept = step(50, 150, healed=False)
    counted(
        tally, portrait(MARKS), [kept, step(48, 50, healed=False, review=True), step(52, 50)], "light", None
    )
    assert [(m.cls, m.fate, m.called) for m in tally.marks] == [
        ("pimple", "healed", "pimple"),
        ("unnamed", "left", ""),
        ("mole", "left", "pimple"),
    ]


def test_the_report_names_everything_that_is_asked_for() -> None:
    tally = Tally(faces=2, megapixels=4.0, seconds=1.0)
    steps = [
        step(50, 50),
        step(100, 50, healed=False, review=True),
        step(150, 100),
        step(51, 149),
        step(260, 110),
    ]
    counted(tally, portrait(MARKS), steps, "light", 5.0)
    text = report("ours", tally)
    rows = {line[2:20].strip(): line[20:].split() for line in text.splitlines()}
    # Of two blemishes one is healed and one offered; of four heals that count one is right.
    assert rows["blemishes"] == ["2", "50.0%", "100.0%", "25.0%", "0.33"]
    assert rows["6 to 12 px"][0] == rows["1.5 to 3 mm"][0] == "2"
    assert rows["pimple"] == ["1", "100.0%", "100.0%", "25.0%", "0.40"]
    assert rows["light skin"] == rows["blemishes"]
    assert rows["mole"] == ["1", "100.0%", "100.0%"]
    assert "false heals: 2.00 a photo, 1.00 a face, 0.50 a MP" in text
    assert "  mole is called pimple 1\n  pimple is called pimple 1\n  unnamed is called pimple 1\n" in text
    assert "healed): 1 of 1\n" in text
    assert "nostrils healed): 36\n" in text
    assert "processor seconds a MP: 0.250" in text


def test_skin_tones_have_their_bands() -> None:
    for colour, band in (((236, 200, 180), "light"), ((180, 130, 105), "medium"), ((90, 60, 48), "dark")):
        assert tone_of(np.full((4, 4, 3), colour, np.uint8), np.ones((4, 4), np.bool_)) == band


def test_one_person_is_in_one_fold_and_folds_are_alike() -> None:
    people = [portrait({"blemish": [{}] * (i % 5)}, f"p{i}") for i in range(30)]
    fold = folds([*people, portrait({}, "p3")])
    sizes = [sum(f == n for f in fold.values()) for n in range(3)]
    assert sizes == [10, 10, 10]


@pytest.mark.parametrize(
    ("path", "person"),
    [
        ("faces/london-neutral/002_03.jpg", "london_002"),
        ("faces/london-smiling/002_08.jpg", "london_002"),
        ("portraits/london_002_03.jpg", "london_002"),
        ("portraits/syntattoo_086_03.png", "london_086"),
        ("faces/canada/003f.jpg", "canada_003f"),
    ],
)
def test_a_person_is_known_by_any_of_the_photos(path: str, person: str) -> None:
    assert Portrait(Path(path), {}).person == person


def test_photos_with_labels_beside_them_are_found(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", np.full((20, 30, 3), 90, np.uint8))
    (tmp_path / "a.json").write_text(json.dumps({"blemish": [{"cx": 5, "cy": 5, "r": 3}]}))
    (found,) = portraits(tmp_path)
    assert found.pixels.shape == (20, 30, 3)
    assert found.label(6, 5, 4.0) == "blemish"
    assert found.label(25, 15, 4.0) == "nothing"


def test_the_shipped_labels_are_whole() -> None:
    files, second = sorted(LABELS.glob("*.json")), sorted((LABELS / "smiling").glob("*.json"))
    assert (len(files), len(second)) == (90, 69)
    for file in files + second:
        labels = json.loads(file.read_text())
        assert labels["image"].startswith("faces/")
        assert all({"cx", "cy", "r", "cls"} <= set(m) for m in labels["blemish"] + labels["keep"])


def test_a_second_photo_is_learned_from_and_never_measured(tmp_path: Path) -> None:
    (tmp_path / "labels").symlink_to(LABELS)
    measured_on = {p.path for p in portraits(tmp_path)}
    seconds = {p.path for p in second_photos(tmp_path)}
    assert (len(measured_on), len(seconds)) == (90, 69)
    assert not measured_on & seconds


def test_on_the_rendered_set_the_engine_finds_and_a_plain_detector_floods() -> None:
    tallies = measured(
        rendered()[:1],
        {"shipped": lambda _p, photo, scene: chosen(scene).detect(photo, scene, Recipe()), "a* blobs": plain},
    )
    ours, theirs = tallies["shipped"], tallies["a* blobs"]
    total = sum(m.sort == "blemish" for m in ours.marks)
    assert ours.count("blemish", "healed", "offered") >= 0.6 * total
    assert ours.found("nothing", "healed") == 0
    assert not any(m.fate == "healed" for m in ours.marks if m.cls == "mole")
    assert ours.protected_px == 0
    assert theirs.found("nothing", "healed") > 50
    assert "permanent marks" in report("shipped", ours)
