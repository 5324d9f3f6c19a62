"""Decisions that agree across a sitting: what counts as the same face, and what another photo may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from benchmarks.sittings import Frame, disagreeing, report
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from retouch_engine import Order, open_engine
from retouch_engine.errors import SittingMistake
from retouch_engine.recall import laid_over, place_of, recalled
from retouch_engine.recipe import Agree, Kind, Recipe
from retouch_engine.sitting import Followed, Mark, Remembered, Sitting, Vote, placed_on, remembered
from retouch_engine.survey import Face, Scene, knows_faces, survey
from retouch_engine.types import Box, Photo, PixelScale, Spot

PX_PER_MM = 6.0
EYES = ((611.0, 400.0), (989.0, 400.0))
"""63 mm apart."""


def scene(eyes: Sequence[tuple[float, float]] = EYES) -> Scene:
    face = Face(
        1, Box(100, 400, 1200, 1200), (800, 600), 800, tuple(eyes), 0.0, PixelScale(PX_PER_MM, "drawn")
    )
    skin = np.ones((64, 64), np.float32)
    return Scene(
        skin=skin,
        height=1600,
        width=1600,
        srgb=True,
        scale=face.scale,
        level=np.zeros_like(skin),
        causes=np.zeros((64, 64), np.uint16),
        faces=(face,),
        owner=np.ones((64, 64), np.uint8),
        facial=np.ones((64, 64), np.bool_),
    )


def marks(seed: int, count: int = 9) -> list[Mark]:
    """A person's own marks, spread over the face."""
    rng = np.random.default_rng(seed)
    return [
        Mark(
            x=float(rng.uniform(-50, 50)),
            y=float(rng.uniform(-30, 90)),
            mm=float(rng.uniform(1, 3)),
            melanin=float(rng.uniform(0, 0.8)),
            rise_g=float(rng.uniform(0.15, 0.5)),
            vote=Vote.LEAVE,
        )
        for _ in range(count)
    ]


def spots_of(seen: Sequence[Mark], **changes: Any) -> list[Spot]:
    """The same marks as finds in a photo whose eyes are :data:`EYES`; ``changes`` are about the first one."""
    found = []
    for number, mark in enumerate(seen):
        x, y, r = 800 + mark.x * PX_PER_MM, 400 + mark.y * PX_PER_MM, max(2, round(mark.mm * PX_PER_MM / 2))
        box = Box(round(y) - r, round(x) - r, round(y) + r, round(x) + r)
        figures = {k: v for k in ("melanin", "rise_g") if (v := getattr(mark, k)) is not None}
        one = Spot(
            number + 1,
            box,
            np.ones((2 * r, 2 * r), np.bool_),
            2.0 * r,
            Kind.RED_SPOT,
            0.4,
            False,
            "odds",
            figures,
        )
        found.append(replace(one, **changes) if number == 0 else one)
    return found


def first(seen: Sequence[Mark], vote: Vote) -> list[Mark]:
    return [replace(seen[0], vote=vote), *seen[1:]]


def after(spots: Sequence[Spot], *faces: Sequence[Mark], agree: Agree = Agree.BOTH) -> Spot:
    sitting = Sitting(tuple(Remembered(f"IMG_{n}.tif", tuple(face)) for n, face in enumerate(faces)))
    return recalled(spots, scene(), sitting, agree)[0][0]


def jiggled(seen: Sequence[Mark]) -> list[Mark]:
    """The same face, turned a little and seen with a little noise."""
    rng = np.random.default_rng(1)
    moved = []
    for m in seen:
        dx, dy = rng.normal(0, 0.5, 2)
        moved.append(replace(m, x=0.94 * m.x + 2 + float(dx), y=1.02 * m.y - 1.5 + float(dy)))
    return moved


def test_a_turned_head_lies_over_itself_and_others_do_not() -> None:
    one = marks(1)
    _, pairs = laid_over(jiggled(one), one)
    assert pairs == [(i, i) for i in range(len(one))]
    others = [len(laid_over(marks(seed), one)[1]) for seed in range(2, 40)]
    assert max(others) <= 3


def test_what_was_healed_before_is_healed_too_when_only_the_odds_were_a_little_short() -> None:
    seen = marks(3)
    before = first(jiggled(seen), Vote.HEAL)
    assert after(spots_of(seen, close=True), before).sure
    assert "IMG_0.tif" in after(spots_of(seen, close=True), before).reason
    # Whatever but the odds speaks against it speaks against it still.
    assert not after(spots_of(seen, close=False), before).sure
    assert not after(spots_of(seen, close=True), before, agree=Agree.KEEP).sure
    assert not after(spots_of(seen, close=True), first(marks(4), Vote.HEAL)).sure
    assert not after(spots_of(seen, close=True, kind=Kind.MOLE), before).sure


def test_what_was_left_before_is_left_again_near_the_line_only() -> None:
    seen = marks(3)
    before = first(jiggled(seen), Vote.LEAVE)
    for agree in (Agree.KEEP, Agree.BOTH):
        assert not after(spots_of(seen, close=True, sure=True), before, agree=agree).sure
    assert after(spots_of(seen, close=False, sure=True), before).sure
    assert after(spots_of(seen, close=True, sure=True), before, agree=Agree.OFF).sure


def test_what_was_taken_for_permanent_anywhere_is_not_healed_unasked() -> None:
    seen = marks(3)
    healed, permanent = (first(jiggled(seen), vote) for vote in (Vote.HEAL, Vote.PERMANENT))
    spot = after(spots_of(seen, sure=True), healed, healed, permanent)
    assert not spot.sure
    assert "taken for permanent in IMG_2.tif" in spot.reason


def test_of_several_photos_the_first_counts() -> None:
    seen = marks(3)
    healed, left = (first(jiggled(seen), vote) for vote in (Vote.HEAL, Vote.LEAVE))
    assert after(spots_of(seen, close=True), healed, left).sure
    assert not after(spots_of(seen, close=True), left, healed).sure


@pytest.mark.parametrize("agree", list(Agree))
def test_a_persons_word_holds_a_mark_whatever_is_set(agree: Agree) -> None:
    seen = marks(3)
    spot = after(spots_of(seen, sure=True), first(jiggled(seen), Vote.KEEP), agree=agree)
    assert not spot.sure
    assert "by a person's word" in spot.held


def test_a_kept_mark_is_known_without_others_around_it_and_not_on_another_face() -> None:
    alone, other = marks(3)[:1], marks(5)
    there = [replace(alone[0], vote=Vote.KEEP)]
    assert after(spots_of(alone, sure=True), there).held
    # A mark of the same look at the same place, among marks that are all elsewhere.
    assert not after(spots_of([alone[0], *other], sure=True), [*there, *marks(3)[1:]]).held


def test_a_kept_mark_is_kept_where_few_of_the_others_are_found_again() -> None:
    kept, *others = marks(3)
    there, elsewhere = [replace(kept, vote=Vote.KEEP), *others], marks(5)
    assert after(spots_of([kept, others[0], *elsewhere[:7]], sure=True), there).held
    # With few marks on a face a shift is not known well: near is near enough.
    moved = replace(kept, x=kept.x + 4.5)
    assert after(spots_of([moved, *elsewhere[:2]], sure=True), there[:1]).held


def test_one_mark_that_is_found_again_tells_of_no_other_decision() -> None:
    seen = marks(3)
    for here, there in ((seen[:1], seen[:1]), ([seen[0], *marks(5)[:2]], seen[:3])):
        assert after(spots_of(here, close=True, sure=True), first(there, Vote.LEAVE)).sure


def test_a_kept_mark_of_another_look_or_place_is_another() -> None:
    one = marks(3)[0]
    there = [replace(one, vote=Vote.KEEP)]
    for other in (
        replace(one, mm=3 * one.mm),
        replace(one, x=one.x + 9),
        replace(one, melanin=(one.melanin or 0) + 0.6),
    ):
        assert not after(spots_of([other], sure=True), there).held


def test_a_photo_done_again_follows_what_it_followed_and_asks_nobody() -> None:
    seen = marks(3)
    spots = spots_of(seen, close=True)
    faces = (Remembered("IMG_0.tif", tuple(first(jiggled(seen), Vote.HEAL))),)
    one, followed = recalled(spots, scene(), Sitting(faces), Agree.BOTH)
    assert [f.vote for f in followed] == [Vote.HEAL]
    two, again = recalled(spots, scene(), Sitting(settled=followed), Agree.BOTH)
    assert [s.sure for s in two] == [s.sure for s in one]
    assert again == followed
    # Nothing was followed then: nothing is followed now, whatever the others say by now.
    three, none = recalled(spots, scene(), Sitting(faces, settled=()), Agree.BOTH)
    assert (three, none) == (tuple(spots), ())


def test_without_two_eyes_a_face_has_no_places() -> None:
    spots = spots_of(marks(3), sure=True)
    assert place_of(spots[0], scene(EYES[:1])) is None
    sitting = Sitting((Remembered("a", tuple(first(marks(3), Vote.KEEP))),))
    assert recalled(spots, scene(EYES[:1]), sitting, Agree.BOTH) == (tuple(spots), ())


@pytest.mark.parametrize("degrees", [0, 20, -70])
def test_a_place_turns_and_grows_with_its_face(degrees: float) -> None:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def turned(x: float, y: float) -> tuple[float, float]:
        return 300 + 4 * (cos * x - sin * y), 500 + 4 * (sin * x + cos * y)

    place = placed_on([turned(-31.5, 0), turned(31.5, 0)], 4.0, turned(12, 40))
    assert place == pytest.approx((12, 40))
    assert placed_on([turned(-31.5, 0), turned(31.5, 0)], 4.0, turned(0, 400)) is None


def test_the_benchmark_counts_what_is_healed_in_one_frame_only() -> None:
    seen = marks(3)
    healed, short = (Frame(scene(), tuple(spots_of(seen, sure=sure, close=True))) for sure in (True, False))
    assert {agree: disagreeing(healed, short, agree) for agree in Agree} == {
        Agree.OFF: (1, 1),
        Agree.KEEP: (1, 1),
        Agree.BOTH: (1, 0),
    }
    assert disagreeing(short, healed, Agree.KEEP) == (0, 0)
    other = Frame(scene(), tuple(spots_of(marks(4))))
    assert "of 2 pairs of different people 0 are" in report([(healed, short), (other, other)])


def record_with(**spot: Any) -> dict[str, Any]:
    plain = {
        "place": {"face": 1, "x_mm": 3.0, "y_mm": 4.0},
        "diameter_mm": 2.0,
        "features": {"melanin": 0.1, "rise_g": 0.3},
        "kind": "pimple",
        "sure": True,
    }
    return {"source": {"name": "IMG.tif"}, "spots": [{**plain, **spot}]}


@pytest.mark.parametrize(
    ("spot", "vote"),
    [
        ({}, Vote.HEAL),
        ({"sure": False}, Vote.LEAVE),
        ({"kind": "mole"}, Vote.PERMANENT),
        ({"wish": "keep"}, Vote.KEEP),
        ({"wish": "reject"}, Vote.KEEP),
        ({"wish": "review"}, Vote.LEAVE),
        ({"wish": "heal", "kind": "mole"}, Vote.HEAL),
    ],
)
def test_a_record_says_what_was_decided(spot: dict[str, Any], vote: Vote) -> None:
    (face,) = remembered(record_with(**spot), votes=True)
    assert (face.photo, face.marks[0].vote) == ("IMG.tif", vote)
    (silent,) = remembered(record_with(**spot), votes=False)
    assert silent.marks[0].vote is (vote if "wish" in spot else Vote.NONE)


@pytest.mark.parametrize(
    "spot",
    [
        {"place": None},
        {"place": {"face": "1", "x_mm": 0, "y_mm": 0}},
        {"place": {"face": 1, "x_mm": 1e9, "y_mm": 0}},
        {"place": {"face": 1, "x_mm": float("nan"), "y_mm": 0}},
        {"diameter_mm": -1},
        {"diameter_mm": None},
        {"features": {"melanin": "dark", "rise_g": 0}},
    ],
)
def test_what_makes_no_sense_in_a_record_is_left_out(spot: dict[str, Any]) -> None:
    assert remembered(record_with(**spot), votes=True) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["faces", "settled", "photo", "marks", "x", "y", "mm", "vote", "box", "source", "spots"]
)


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=5), max_size=5))
def test_what_anybody_could_have_written_is_refused_or_makes_sense(told: dict[str, Any]) -> None:
    remembered(told, votes=True)
    try:
        sitting = Sitting.from_json(told)
    except SittingMistake:
        return
    assert Sitting.from_json(sitting.as_json()) == sitting


def test_a_sitting_is_read_back_as_it_was_and_has_a_name() -> None:
    sitting = Sitting((Remembered("a.tif", tuple(marks(1))),), (Followed((1, 2, 3, 4), Vote.KEEP, "a.tif"),))
    assert Sitting.from_json(sitting.as_json()) == sitting
    assert len({sitting.digest, Sitting(sitting.faces).digest, Sitting().digest}) == 3
    assert asdict(sitting.faces[0].marks[0])["vote"] == "leave"
    assert not Sitting()


@pytest.fixture(scope="module")
def two_frames(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same real face twice, once a little smaller, with the same four drawn spots on it."""
    folder = tmp_path_factory.mktemp("sitting")
    large = cv2.resize(data.astronaut()[:260, 120:340], None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    canvas = large.astype(np.float32)
    face = survey(Photo(np.ascontiguousarray(large))).faces[0]
    (ax, ay), (bx, by) = face.eyes
    px = face.scale.px_per_mm or 0
    ys, xs = np.mgrid[: large.shape[0], : large.shape[1]]
    for x, y in SPOTS_MM:
        far = np.hypot(xs - ((ax + bx) / 2 + x * px), ys - ((ay + by) / 2 + y * px))
        canvas -= np.exp(-((far / (1.3 * px)) ** 4))[..., None] * np.array([25, 75, 65], np.float32)
    first = np.clip(canvas, 0, 255).astype(np.uint8)
    second = cv2.resize(first, None, fx=0.93, fy=0.93, interpolation=cv2.INTER_AREA)
    paths = folder / "IMG_1.png", folder / "IMG_2.png"
    for path, picture in zip(paths, (first, second), strict=True):
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
    return paths


SPOTS_MM = ((-24.0, 38.0), (24.0, 40.0), (-8.0, -38.0), (12.0, -40.0))


def test_a_mark_kept_in_one_photo_is_kept_in_the_next_and_the_record_says_why(
    two_frames: tuple[Path, Path],
) -> None:
    if not knows_faces():
        pytest.skip("onnxruntime is not installed, so faces are not known")
    with open_engine() as engine:
        one, plain = (engine.preview(Order(p, p.parent, Recipe()), lambda _: None) for p in two_frames)
        seen = [m for face in remembered(one, votes=True) for m in face.marks]
        (there,) = [m for m in seen if math.dist((m.x, m.y), SPOTS_MM[0]) < 3]
        kept = Sitting((Remembered("IMG_1.png", (replace(there, vote=Vote.KEEP),)),))
        order = Order(two_frames[1], two_frames[1].parent, Recipe(), sitting=kept)
        told = engine.preview(order, lambda _: None)
        again = engine.preview(order, lambda _: None)
    (followed,) = told["followed"]["spots"]
    assert (followed["photo"], followed["vote"]) == ("IMG_1.png", "keep")
    assert told["followed"]["sitting"] == kept.digest
    for before, after in zip(plain["spots"], told["spots"], strict=True):
        assert before["box"] == after["box"]
        if list(after["box"]) == list(followed["box"]):
            place = after["place"]
            assert math.dist((place["x_mm"], place["y_mm"]), SPOTS_MM[0]) < 4
            assert before["decision"] in {"healed", "review"}
            assert after["decision"] == "kept"
            assert "kept as in IMG_1.png, by a person's word" in after["reason"]
        else:
            assert before["decision"] == after["decision"]
    assert again["spots"] == told["spots"]
    # Nothing to remember: nothing is followed, and nothing is different.
    assert plain["followed"]["spots"] == []
