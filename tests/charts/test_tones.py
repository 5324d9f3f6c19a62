"""The same marks on other skin: what a graft holds, and where it is laid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.marks import TrueSpot, paint
from benchmarks.skin import MELANIN
from benchmarks.spots.grafts import Graft
from benchmarks.spots.labels import Portrait
from benchmarks.tones import marked, person
from skimage import data

from retouch_engine import Kind
from retouch_engine.imaging.density import density
from retouch_engine.types import Float

RADIUS = 9.0
BARE = np.full((80, 80, 3), (0.4, 0.7, 1.0), np.float32)


def spotted(bare: Float = BARE) -> Float:
    od = bare.copy()
    paint(od, TrueSpot(Kind.PIMPLE, 40.0, 40.0, RADIUS), np.random.default_rng(3))
    return od


def taken(od: Float) -> Graft:
    graft = Graft.of(od, 40.0, 40.0, RADIUS)
    assert graft is not None
    return graft


def test_laid_on_its_own_bare_skin_a_graft_gives_the_mark_back() -> None:
    od = BARE.copy()
    assert taken(spotted()).lay(od, 40, 40)
    assert np.abs(od - spotted()).max() < 0.02
    assert np.abs(spotted() - BARE).max() > 0.3


def test_on_darker_skin_it_adds_the_same() -> None:
    dark = BARE + np.float32(1.2) * MELANIN
    assert np.abs(taken(spotted(dark)).added - taken(spotted()).added).max() < 0.02


def test_at_another_scale_it_keeps_its_strength_and_has_another_size() -> None:
    graft = taken(spotted())
    small = graft.at_scale(0.5)
    assert small.radius == RADIUS / 2
    assert small.added.shape[0] == pytest.approx(graft.added.shape[0] / 2, abs=1)
    assert small.added.max() == pytest.approx(graft.added.max(), rel=0.2)


def test_at_the_edge_of_a_picture_nothing_is_taken_and_nothing_laid() -> None:
    assert Graft.of(spotted(), 12.0, 40.0, RADIUS) is None
    od = BARE.copy()
    assert not taken(spotted()).lay(od, 40, 70)
    assert np.array_equal(od, BARE)


def test_marks_are_laid_on_clean_skin_of_the_face_and_labelled_there() -> None:
    astronaut = np.ascontiguousarray(data.astronaut())
    one = person(Portrait(Path("faces/astronaut.png"), {}, astronaut))
    assert one is not None
    assert -90 < one.angle < 90
    graft = taken(spotted()).at_scale(3.0 / RADIUS)
    laid = marked(one, [("blemish", graft, one.px_per_mm, "pimple")], np.random.default_rng(1))
    (mark,) = laid.marks("blemish")
    assert mark["cls"] == "pimple"
    assert one.clean[mark["cy"], mark["cx"]]
    assert laid.label(mark["cx"], mark["cy"], 6.0) == "blemish"
    changed = np.argwhere((laid.pixels != astronaut).any(axis=-1))
    assert len(changed) > 10
    assert np.abs(changed - (mark["cy"], mark["cx"])).max() <= graft.added.shape[0] // 2
    assert (
        density(laid.pixels)[mark["cy"], mark["cx"]].sum() > density(astronaut)[mark["cy"], mark["cx"]].sum()
    )


def test_a_mark_of_its_own_is_kept_clear() -> None:
    labels = {"keep": [{"cx": 222, "cy": 122, "r": 4}]}
    astronaut = np.ascontiguousarray(data.astronaut())
    bare, one = (person(Portrait(Path("faces/a.png"), known, astronaut)) for known in ({}, labels))
    assert bare is not None
    assert one is not None
    assert not one.clean[122, 222]
    assert bare.clean.sum() > one.clean.sum()
