"""How far a hole grows: as far as its spot's halo, and no further."""

from __future__ import annotations

import numpy as np
from tests.engine.pixels.conftest import Skin, disc_at

from retouch_engine.growth import grown
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
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
