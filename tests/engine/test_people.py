"""Groups and policy: each person at that one's own scale, faces and bodies, too much, too large."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from tests.engine.detect.test_judge import by_colour
from tests.engine.detect.test_learned import by_redness
from tests.engine.test_faces import COLOURS, draw, photo_of
from tests.engine.test_faces import NETWORK as FACES

from retouch_engine.detect import spotnet
from retouch_engine.detect.learned import found
from retouch_engine.detect.spotnet import Network
from retouch_engine.recipe import Body, Kind, Recipe
from retouch_engine.route import plan, within_share
from retouch_engine.survey import Scene, survey
from retouch_engine.survey.parts import Part
from retouch_engine.types import Box, HealerId, Photo, Spot, Step, Takes

SMALL, LARGE = {"x": 250, "y": 420, "width": 160}, {"x": 800, "y": 430, "width": 420}
EYES_MM, EYES_SHARE = 63.0, 0.44
SPOT_MM = 5.0
TAKES = {HealerId("any"): Takes(largest_px=400)}


def dot(canvas: np.ndarray, face: dict[str, Any], x: float, y: float, mm: float = SPOT_MM) -> Box:
    """A red disc on a face, so many of its own millimetres wide; its box."""
    px_per_mm = EYES_SHARE * face["width"] / EYES_MM
    at = (round(face["x"] + x * face["width"]), round(face["y"] + y * face["width"]))
    radius = max(1, round(mm * px_per_mm / 2))
    cv2.circle(canvas, at, radius, (255, 0, 0), -1)
    return Box(at[1] - radius, at[0] - radius, at[1] + radius + 1, at[0] + radius + 1)


@pytest.fixture(scope="module")
def group() -> tuple[Photo, Scene, list[Box]]:
    """Two people, one far behind the other, with a neck each and the same dot on a cheek."""
    canvas = np.full((900, 1200, 3), COLOURS[Part.BACKGROUND], np.uint8)
    for face in (SMALL, LARGE):
        x, y, w = face["x"], face["y"], face["width"]
        corners = (round(x - 0.3 * w), y), (round(x + 0.3 * w), round(y + 1.05 * w))
        cv2.rectangle(canvas, *corners, COLOURS[Part.OTHER_SKIN], -1)
        draw(canvas, **face)
    clean = survey(Photo(canvas.copy()), FACES)
    boxes = [dot(canvas, face, 0.28, 0.12) for face in (SMALL, LARGE)]
    return Photo(canvas), clean, boxes


def at(face: dict[str, Any], x: float, y: float) -> Box:
    cx, cy = round(face["x"] + x * face["width"]), round(face["y"] + y * face["width"])
    return Box(cy - 3, cx - 3, cy + 3, cx + 3)


def spot(box: Box, kind: Kind = Kind.PIMPLE, number: int = 1) -> Spot:
    mask = np.ones((box.height, box.width), np.bool_)
    return Spot(number, box, mask, float(box.width), kind, 0.9, sure=True, reason="drawn")


def test_each_person_has_that_ones_own_skin_and_scale(group: tuple[Photo, Scene, list[Box]]) -> None:
    _, scene, _ = group
    large, small = scene.people()
    assert [p.scale.px_per_mm for p in (large, small)] == [f.scale.px_per_mm for f in scene.faces]
    assert np.array_equal(np.maximum(large.skin, small.skin), scene.skin)
    assert not ((large.skin > 0) & (small.skin > 0)).any()
    for person, face in ((large, LARGE), (small, SMALL)):
        assert person.skin_in(at(face, 0.28, 0.12)).all()
        neck = at(face, 0, 0.85)
        assert person.skin_in(neck).all()
        assert scene.px_per_mm_at(neck) == person.scale.px_per_mm
        assert scene.face_at(neck) is None
        assert scene.person_at(neck) == scene.face_at(at(face, 0.28, 0.12)) == person.faces[0]


def test_one_face_is_looked_at_as_it_always_was() -> None:
    scene = survey(photo_of(LARGE), FACES)
    assert scene.people() == (scene,)
    assert scene.people()[0] is scene


def test_finds_are_looked_for_and_measured_at_each_faces_own_scale(
    group: tuple[Photo, Scene, list[Box]],
) -> None:
    photo, scene, boxes = group
    network, judge = (Network(SimpleNamespace(run=run)) for run in (by_redness, by_colour))
    for person, box in zip(scene.people(), reversed(boxes), strict=True):
        seen = spotnet.view(photo, person, network)
        assert seen is not None
        assert seen.px_per_mm == pytest.approx(min(5.0, 1.75 * (person.scale.px_per_mm or 0)), rel=0.01)
        finds = [f for f in found(photo, person, Recipe(), network, judge) or [] if f.box.meets(box)]
        assert finds
        assert finds[0].figures["mm"] == pytest.approx(SPOT_MM, rel=0.35)


def planned(scene: Scene, spots: list[Spot], recipe: Recipe) -> tuple[Step, ...]:
    return plan(spots, recipe, TAKES, scene)


@pytest.mark.parametrize("body", list(Body))
def test_bodies_are_healed_offered_or_left_as_the_preset_says(
    group: tuple[Photo, Scene, list[Box]], body: Body
) -> None:
    _, scene, _ = group
    on_face, on_neck = planned(
        scene, [spot(at(LARGE, 0.28, 0.12)), spot(at(LARGE, 0, 0.85), number=2)], Recipe(body=body)
    )
    assert on_face.healers
    assert bool(on_neck.healers) is (body is Body.HEAL)
    assert on_neck.review is (body is Body.REVIEW)
    assert body is Body.HEAL or f"body is {body}" in on_neck.reason


def test_where_no_face_is_known_all_skin_is_body(group: tuple[Photo, Scene, list[Box]]) -> None:
    unknown = replace(group[1], faces=(), owner=None, facial=None)
    (step,) = planned(unknown, [spot(at(LARGE, 0.28, 0.12))], Recipe(body=Body.REVIEW))
    assert (step.healers, step.review) == ((), True)


def test_what_is_too_wide_in_millimetres_is_offered(group: tuple[Photo, Scene, list[Box]]) -> None:
    _, scene, _ = group
    ten = Recipe(largest_mm=10.0)
    for face, mm, heals in ((LARGE, 8, True), (LARGE, 13, False), (SMALL, 8, True), (SMALL, 13, False)):
        box = dot(np.zeros((900, 1200, 3), np.uint8), face, 0.2, 0.05, mm)
        (step,) = planned(scene, [spot(box)], ten)
        assert bool(step.healers) is heals
        assert heals or "over largest_mm 10" in step.reason


def test_too_much_on_one_face_leaves_the_other_alone(group: tuple[Photo, Scene, list[Box]]) -> None:
    _, scene, _ = group
    places = [(0.2, 0.0), (-0.2, 0.05), (0.28, 0.12), (-0.28, 0.2), (0.0, 0.0), (0.1, 0.5), (-0.1, 0.52)]
    many = [spot(at(SMALL, x, y), number=i) for i, (x, y) in enumerate(places, start=1)]
    recipe = Recipe(largest_healed_share=0.02)
    steps = planned(scene, [*many, spot(at(LARGE, 0.28, 0.12), number=9)], recipe)
    assert all(step.healers for step in steps)
    after, notes = within_share(steps, recipe, scene)
    assert [bool(step.healers) for step in after] == [False] * len(many) + [True]
    over = "of face 2, over largest_healed_share (2.0%)"
    assert all(step.review and step.reason.endswith(over) for step in after[:-1])
    assert notes == (f"nothing healed: {after[0].reason}; its 7 spots are for review",)
    # Of a face with acne a fiftieth is healed all the same, unless a recipe says otherwise.
    assert within_share(steps, Recipe(), scene) == (steps, ())
    # What is kept counts as nothing.
    freckles = [spot(one.box, Kind.FRECKLE, one.id) for one in many[1:]]
    kept = planned(scene, [many[0], *freckles], recipe)
    assert within_share(kept, recipe, scene) == (kept, ())
    # On the body of the same person a heal is another matter.
    neck = planned(scene, [*many, spot(at(SMALL, 0, 0.85), number=9)], recipe)
    assert within_share(neck, recipe, scene)[0][-1].healers


def test_a_heal_counts_beside_the_skin_of_its_face_or_of_its_whole_person(
    group: tuple[Photo, Scene, list[Box]],
) -> None:
    _, scene, _ = group
    spots = [spot(at(SMALL, 0.2, 0.0)), spot(at(SMALL, 0, 0.85), number=2)]
    none = Recipe(largest_healed_share=1e-6)
    shares = {}
    for known in (scene, replace(scene, faces=(), owner=None, facial=None)):
        steps, notes = within_share(planned(known, spots, none), none, known)
        assert not any(step.healers for step in steps)
        for note in notes:
            share, whose = note.removeprefix("nothing healed: the heals would cover ").split("% of ")
            shares[whose.split(",")[0]] = float(share)
    assert shares.keys() == {"face 2", "the skin of person 2", "the skin"}
    assert shares["face 2"] > 1.2 * shares["the skin of person 2"]


def test_of_a_body_and_of_skin_without_a_face_less_may_be_healed(
    group: tuple[Photo, Scene, list[Box]],
) -> None:
    _, scene, _ = group
    unknown = replace(scene, faces=(), owner=None, facial=None)
    for known, at_y, times in (scene, 0.0, 1.0), (scene, 0.85, 2.5), (unknown, 0.0, 2.5):
        (step,) = planned(known, [spot(at(SMALL, 0, at_y))], Recipe())
        _, (note,) = within_share([step], Recipe(largest_healed_share=1e-6), known)
        share = float(note.split("cover ")[1].split("%")[0]) / 100
        for factor, heals in (1.1, True), (0.9, False):
            recipe = Recipe(largest_healed_share=factor * times * share)
            (after,), _ = within_share([step], recipe, known)
            assert bool(after.healers) is heals
            assert heals or f"largest_healed_share ({0.9 * share:.1%})" in after.reason
