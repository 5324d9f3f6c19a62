"""How large a hole becomes: as large as its spot's halo, and no larger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.engine.pixels.conftest import Skin, disc_at

from retouch_engine.growth import grown
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.imaging.masks import distance_to, placed
from retouch_engine.recipe import Kind
from retouch_engine.survey import survey
from retouch_engine.types import Bool, Box, Float, HealerId, Photo, PixelScale, Spot, Step

SIZE = 160
REDNESS = np.array([0.04, 0.35, 0.2], np.float32)


def step_at(radius: float) -> Step:
    """A hole of that radius in the middle, around a spot 2 px smaller."""
    box = Box(60, 60, 100, 100)
    spot, hole = (disc_at((SIZE, SIZE), 80, 80, r)[box.slices] for r in (radius - 2, radius))
    found = Spot(1, box, spot, 2 * radius - 4, Kind.RED_SPOT, 1.0, sure=True, reason="red")
    return Step(found, (HealerId("donor"),), hole, box, "red")


def area(od: np.ndarray, radius: float) -> int:
    """Of the grown hole, px."""
    samples = np.rint(np.clip(encode(od.astype(np.float32)), 0, 1) * 65535).astype(np.uint16)
    photo = Photo(samples)
    (step,) = grown(photo, survey(photo), [step_at(radius)])
    return int(step.hole.sum())


def test_a_hole_grows_over_its_halo(skin: Skin) -> None:
    halo = blur(disc_at((SIZE, SIZE), 80, 80, 9).astype(np.float32), 3.0)[..., None] * REDNESS
    spared = int(step_at(9).hole.sum())
    assert all(area(skin(SIZE, seed=seed) + halo, 9) > 1.3 * spared for seed in range(4))


def test_a_faint_spot_does_not_outgrow_itself_on_uneven_skin(skin: Skin) -> None:
    faint = disc_at((SIZE, SIZE), 80, 80, 7)[..., None] * (0.12 * REDNESS)
    own = int(step_at(9).hole.sum())
    assert sum(area(skin(SIZE, seed=seed) + faint, 9) == own for seed in range(8)) >= 7


WIDE = Box(40, 40, 120, 120)
CORE = 15


def margin_of(od: np.ndarray, radius: float = CORE, margin: int = 6) -> int:
    """How far the hole that becomes of a spot reaches beyond it, px; it was to be ``margin``."""
    spot, hole = (disc_at((SIZE, SIZE), 80, 80, r)[WIDE.slices] for r in (radius, radius + margin))
    found = Spot(1, WIDE, spot, 2 * radius, Kind.RED_SPOT, 1.0, sure=True, reason="red")
    photo = Photo(np.rint(np.clip(encode(od.astype(np.float32)), 0, 1) * 65535).astype(np.uint16))
    scene = replace(survey(photo), skin=np.ones((SIZE, SIZE), np.float32))
    (step,) = grown(photo, scene, [Step(found, (HealerId("donor"),), hole, WIDE, "red")])
    whole = placed(step.hole, step.box, Box(0, 0, SIZE, SIZE))
    assert (whole & disc_at((SIZE, SIZE), 80, 80, radius)).sum() == spot.sum()
    return int(distance_to(disc_at((SIZE, SIZE), 80, 80, radius))[whole].max())


def test_a_margin_of_clean_skin_is_not_healed(skin: Skin) -> None:
    crisp = disc_at((SIZE, SIZE), 80, 80, CORE)[..., None] * REDNESS
    found = [margin_of(skin(SIZE, seed=seed) + crisp) for seed in range(6)]
    assert sorted(found)[2] == 2
    assert max(found) <= 6


def test_a_margin_with_a_halo_in_it_stays(skin: Skin) -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - 80.0
    soft = blur(disc_at((SIZE, SIZE), 80, 80, CORE + 2).astype(np.float32), 2.0)
    one_sided = np.where((np.abs(y) < x), blur(soft, 2.0), disc_at((SIZE, SIZE), 80, 80, CORE))
    for halo in (soft, one_sided.astype(np.float32)):
        assert all(margin_of(skin(SIZE, seed=seed) + halo[..., None] * REDNESS) >= 4 for seed in range(4))


def test_a_small_spot_keeps_its_margin(skin: Skin) -> None:
    crisp = disc_at((SIZE, SIZE), 80, 80, 4)[..., None] * REDNESS
    assert margin_of(skin(SIZE, seed=1) + crisp, radius=4, margin=3) == 3


HALO_PX = 14.0
"""Of a halo that a core of 3 px lies in, its spread; at 5 px/mm that is nearly 3 mm."""
MM_SIDE = 200
MIDDLE = MM_SIDE // 2
FAR_AWAY = np.zeros((MM_SIDE, MM_SIDE), np.bool_)


def far_from(y: float, x: float) -> Float:
    rows, columns = np.mgrid[:MM_SIDE, :MM_SIDE]
    return np.asarray(np.hypot(rows - y, columns - x), np.float32)


def haloed(spread: float = HALO_PX) -> Float:
    """A red halo around the middle, and a darker core in it."""
    away = far_from(MIDDLE, MIDDLE)
    return (0.6 * np.exp(-((away / spread) ** 2) / 2) + 0.8 * (away <= 3))[..., None] * REDNESS


def spot_at(number: int, y: int, x: int, radius: float, kind: Kind = Kind.RED_SPOT) -> Step:
    half = max(12, int(radius) + 4)
    box = Box(y - half, x - half, y + half + 1, x + half + 1)
    spot, hole = (disc_at((MM_SIDE, MM_SIDE), y, x, r)[box.slices] for r in (radius, radius + 3))
    found = Spot(number, box, spot, 2 * radius, kind, 1.0, sure=True, reason="red")
    return Step(found, (HealerId("donor"),) if number == 1 else (), hole, box, "red")


def reach_of(
    od: np.ndarray,
    *,
    others: tuple[Step, ...] = (),
    kind: Kind = Kind.RED_SPOT,
    px_per_mm: float | None = 5.0,
    no_skin: Bool = FAR_AWAY,
    done: tuple[int, ...] = (),
) -> int:
    """How far the hole around a core of 3 px in the middle reaches from there, px."""
    photo = Photo(np.rint(np.clip(encode(od.astype(np.float32)), 0, 1) * 65535).astype(np.uint16))
    scene = replace(survey(photo), skin=(~no_skin).astype(np.float32), scale=PixelScale(px_per_mm, "drawn"))
    one, *_ = grown(photo, scene, [spot_at(1, MIDDLE, MIDDLE, 3, kind), *others], done)
    whole = placed(one.hole, one.box, photo.frame)
    return int(far_from(MIDDLE, MIDDLE)[whole].max())


@pytest.mark.parametrize("seed", range(4))
def test_a_core_takes_the_whole_of_its_wide_halo_along(skin: Skin, seed: int) -> None:
    od = skin(MM_SIDE, seed=seed) + haloed()
    # A halo's own spread is where most of it is gone; what is measured in the core's diameters stops before.
    assert reach_of(od) >= 1.1 * HALO_PX
    assert reach_of(od, px_per_mm=None) < 0.8 * HALO_PX


def test_what_a_person_painted_or_an_earlier_run_has_done_stays_as_wide(skin: Skin) -> None:
    od = skin(MM_SIDE, seed=1) + haloed()
    assert reach_of(od, kind=Kind.PAINTED) == reach_of(od, px_per_mm=None)
    assert reach_of(od, done=(1,)) == 6


def test_on_a_face_of_some_pixels_no_halo_is_looked_for(skin: Skin) -> None:
    od = skin(MM_SIDE, seed=1) + haloed()
    assert reach_of(od, px_per_mm=0.13) == reach_of(od, px_per_mm=None)


def test_a_flush_that_does_not_fall_off_stays(skin: Skin) -> None:
    y, x = np.mgrid[:MM_SIDE, :MM_SIDE] - float(MIDDLE)
    away, core = far_from(MIDDLE, MIDDLE), haloed(1.0)
    everywhere, wide = (np.where(away <= radius, 0.6, 0.0) for radius in (60, 22))
    # Level in three octants of eight, a halo in the others.
    level = np.where(np.abs(np.arctan2(y, x) - np.pi / 8) < 3 * np.pi / 8, 0.6, 0.0)
    aside = np.maximum(0.6 * np.exp(-((away / 10) ** 2) / 2), level)
    for red in (everywhere, wide, aside):
        od = skin(MM_SIDE, seed=2) + red[..., None].astype(np.float32) * REDNESS + core
        assert reach_of(od) == reach_of(od, px_per_mm=None)


def test_a_faint_halo_and_one_that_has_no_end_stay(skin: Skin) -> None:
    core = haloed(1.0)
    faint, endless = 0.8 * (haloed() - core) + 4 * core, 2.5 * (haloed(30.0) - core) + core
    for red in (faint, endless):
        od = skin(MM_SIDE, seed=2) + red
        assert reach_of(od) == reach_of(od, px_per_mm=None)


def test_a_halo_that_holds_another_find_a_dark_dot_or_no_skin_is_left(skin: Skin) -> None:
    od = skin(MM_SIDE, seed=3) + haloed()
    alone, narrow = reach_of(od), reach_of(od, px_per_mm=None)
    assert narrow < alone
    mole = spot_at(2, MIDDLE + 13, MIDDLE, 2, Kind.MOLE)
    assert reach_of(od, others=(mole,)) == narrow
    assert reach_of(od, others=(spot_at(2, MIDDLE + 45, MIDDLE, 2, Kind.MOLE),)) == alone
    dot = (far_from(MIDDLE, MIDDLE + 13) <= 1.5)[..., None] * np.array([0.5, 0.7, 0.8], np.float32)
    assert reach_of(od + dot) == narrow
    assert reach_of(od, no_skin=far_from(MIDDLE + 15, MIDDLE) <= 4) == narrow


def test_a_halo_with_a_freckle_that_was_not_found_is_left(skin: Skin) -> None:
    od = skin(MM_SIDE, seed=1) + haloed()
    freckle = np.clip((3.7 - far_from(MIDDLE, MIDDLE + 14)) / 1.4, 0, 1)[..., None] * np.float32(0.38)
    assert reach_of(od + freckle * np.array([0.35, 0.65, 1.0], np.float32)) == reach_of(od, px_per_mm=None)


@pytest.mark.parametrize("seed", range(3))
def test_a_halo_with_a_pale_scar_is_left(skin: Skin, seed: int) -> None:
    od = skin(MM_SIDE, seed=seed) + haloed()
    rows, columns = np.mgrid[:MM_SIDE, :MM_SIDE]
    across = np.hypot(rows - MIDDLE - 12, np.maximum(np.abs(columns - MIDDLE) - 6, 0))
    dot, line = (
        np.clip((r - away) / 1.4, 0, 1) for r, away in ((3.0, far_from(MIDDLE, MIDDLE + 13)), (1.8, across))
    )
    narrow = reach_of(od, px_per_mm=None)
    for mark in (dot, line):
        pale = mark[..., None].astype(np.float32) * np.array([0.05, 0.3, 0.35], np.float32)
        assert reach_of(od - pale) == narrow
        assert reach_of(od - pale / 6) > narrow


@pytest.mark.parametrize("seed", range(2))
def test_a_mole_in_a_halo_is_told_from_the_stubble_around(skin: Skin, seed: int) -> None:
    rows, columns = np.mgrid[:MM_SIDE, :MM_SIDE]
    stubble = np.exp(-(((rows + 3 * (columns // 11)) % 11 - 5) ** 2 + (columns % 11 - 5) ** 2) / 2.0)
    od = skin(MM_SIDE, seed=seed) + haloed() + 0.3 * stubble[..., None].astype(np.float32)
    mole = np.clip((3.7 - far_from(MIDDLE, MIDDLE + 14)) / 1.4, 0, 1)[..., None] * np.float32(0.4)
    narrow = reach_of(od, px_per_mm=None)
    assert reach_of(od) > narrow
    assert reach_of(od + mole * np.array([0.35, 0.65, 1.0], np.float32)) == narrow


@pytest.mark.parametrize("found", [True, False])
def test_the_rim_of_a_mole_or_of_hair_is_no_like_of_a_dot(skin: Skin, *, found: bool) -> None:
    od = skin(MM_SIDE, seed=0) + haloed()
    narrow = reach_of(od, px_per_mm=None)
    dot = (far_from(MIDDLE, MIDDLE + 13) <= 1.5)[..., None] * np.array([0.5, 0.7, 0.8], np.float32)
    away = far_from(MIDDLE + 40, MIDDLE)
    # As dark as hair, and a little wider than what is known of it.
    od = od + (np.clip((17 - away) / 1.5, 0, 1) * 0.8)[..., None].astype(np.float32)
    others = (spot_at(2, MIDDLE + 40, MIDDLE, 14, Kind.MOLE),) if found else ()
    no_skin = FAR_AWAY if found else away < 15
    assert reach_of(od, others=others, no_skin=no_skin) > narrow
    assert reach_of(od + dot, others=others, no_skin=no_skin) == narrow


def test_across_a_shadow_s_edge_no_hole_is_widened(skin: Skin) -> None:
    edge = 0.5 / (1 + np.exp(-(np.arange(MM_SIDE) - MIDDLE) / 4.0))
    od = skin(MM_SIDE, seed=3) + haloed() + edge[:, None, None].astype(np.float32)
    assert reach_of(od) == reach_of(od, px_per_mm=None)
