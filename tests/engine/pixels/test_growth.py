"""How large a hole becomes: as large as its spot's halo, and no larger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.engine.pixels.conftest import Skin, disc_at

from retouch_engine.growth import grown
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.imaging.masks import distance_to, placed
from retouch_engine.recipe import Kind
from retouch_engine.survey import survey
from retouch_engine.types import Box, HealerId, Photo, Spot, Step

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
