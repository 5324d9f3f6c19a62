"""Donor, frequency and the compositor on rendered skin whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from tests.engine.pixels.conftest import Skin, disc_at, wound_in

from retouch_engine.compose import compose
from retouch_engine.guard import Yardstick, bands
from retouch_engine.heal import HEALERS, Heal, Wound
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, encode
from retouch_engine.types import Box, HealerId, Patch

HERE = np.zeros((1, 2), np.intp)


def sampled(od: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16)


def laid(wound: Wound, heal: Heal, strength: float = 1.0) -> tuple[np.ndarray, Patch | None]:
    """The crop after the heal, OD, and the patch."""
    cut = wound.inner.slices
    source = sampled(wound.od)
    own = (wound.od[cut], source[cut], wound.low)
    layers = (heal.low_delta, heal.high, heal.support)
    i = wound.inner
    patch = compose(1, Box(i.y0, i.x0, i.y1, i.x1), own, layers, strength)
    after = density(source)
    if patch is not None:
        where = patch.box.slices
        after[where] = np.where(patch.changed[..., None], density(patch.pixels), after[where])
    return after, patch


def contrast(od: np.ndarray, core: np.ndarray, ring: np.ndarray, sigma: float) -> float:
    grey = od.mean(axis=-1, dtype=np.float32)
    band = blur(grey, sigma) - blur(grey, 1.6 * sigma)
    return float(band[core].std() / band[ring].std())


@pytest.mark.parametrize("healer", [HealerId("donor"), HealerId("frequency")])
@pytest.mark.parametrize("radius", [8, 16, 30])
def test_a_heal_takes_the_blotch_and_leaves_the_pores(skin: Skin, healer: HealerId, radius: int) -> None:
    clean = skin(260, seed=radius, light=(0.0, 0.5))
    core, hole = disc_at((260, 260), 130, 130, radius * 0.7), disc_at((260, 260), 130, 130, radius)
    spoilt = clean + 0.5 * blur(core.astype(np.float32), 1.5)[..., None]
    heal = next(iter(HEALERS[healer].attempts(wound_in(spoilt, hole))))
    after, _ = laid(wound_in(spoilt, hole), heal)
    ring = disc_at((260, 260), 130, 130, radius * 2) & ~disc_at((260, 260), 130, 130, radius + 3)
    assert 0.8 < contrast(after, hole, ring, 1.0) < 1.25
    left = abs(blur(after, 4.0) - blur(clean, 4.0))[core].mean()
    assert left < 0.12 * abs(blur(spoilt, 4.0) - blur(clean, 4.0))[core].mean()


def test_a_donors_grain_is_brought_to_that_around_the_hole(skin: Skin) -> None:
    ratios = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        away = np.hypot(*np.ogrid[-130:130, -130:130])
        louder = np.where(away > 36, 1.25, 1.0)[..., None]
        clean = skin(260, seed=seed) + (0.05 * louder * rng.normal(size=(260, 260, 3))).astype(np.float32)
        hole = disc_at((260, 260), 130, 130, 14)
        spot = wound_in(clean.astype(np.float32), hole)
        after, _ = laid(spot, next(iter(HEALERS[HealerId("donor")].attempts(spot))))
        grain = after.mean(axis=-1) - blur(np.ascontiguousarray(after.mean(axis=-1)), 0.8)
        ring = (away > 17) & (away < 30)
        ratios.append(grain[hole].std() / grain[ring].std())
    assert 0.93 < np.median(ratios) < 1.1


def test_a_donor_under_other_light_arrives_with_the_right_contrast(skin: Skin) -> None:
    clean = skin(260, seed=3)
    clean[:, 150:] += np.float32(0.9)
    hole = disc_at((260, 260), 130, 110, 12)
    near = disc_at((260, 260), 130, 110, 22)
    wound = wound_in(clean, hole, forbid=(np.arange(260) < 150)[None, :] & ~near)
    heals = list(HEALERS[HealerId("donor")].attempts(wound))
    assert heals
    assert all(heal.donors[0][1] > 0 for heal in heals)
    after, _ = laid(wound, heals[0])
    ring = disc_at((260, 260), 130, 110, 26) & ~disc_at((260, 260), 130, 110, 15)
    assert 0.8 < contrast(after, hole, ring, 1.0) < 1.25


def test_strength_moves_the_blotch_and_not_the_texture(skin: Skin) -> None:
    clean = skin(240, seed=7)
    core, hole = disc_at((240, 240), 120, 120, 14), disc_at((240, 240), 120, 120, 18)
    spoilt = clean + 0.4 * blur(core.astype(np.float32), 2.0)[..., None]
    wound = wound_in(spoilt, hole)
    heal = next(iter(HEALERS[HealerId("donor")].attempts(wound)))
    inner = disc_at((240, 240), 120, 120, 14)
    ring = disc_at((240, 240), 120, 120, 36) & ~disc_at((240, 240), 120, 120, 22)
    left = []
    for strength in (0.25, 0.5, 0.75, 1.0):
        after, _ = laid(wound, heal, strength)
        assert contrast(after, inner, ring, 1.0) > 0.85
        left.append(float((blur(after, 4.0) - blur(clean, 4.0))[inner].mean()))
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.15 * left[0]


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75])
def test_a_share_of_a_heal_takes_that_share_of_the_blotch(skin: Skin, strength: float) -> None:
    clean = skin(240, seed=7)
    hole = disc_at((240, 240), 120, 120, 18)
    blotch = 0.4 * blur(disc_at((240, 240), 120, 120, 10).astype(np.float32), 3.0)[..., None]
    wound = wound_in(clean + blotch, hole)
    heal = next(iter(HEALERS[HealerId("donor")].attempts(wound)))
    left = (laid(wound, heal, strength)[0] - laid(wound, heal, 1.0)[0])[disc_at((240, 240), 120, 120, 12)]
    there = (wound.od - laid(wound, heal, 1.0)[0])[disc_at((240, 240), 120, 120, 12)]
    assert left.mean() / there.mean() == pytest.approx(1 - strength, abs=0.04)


def test_half_a_mole_has_no_bright_ring(skin: Skin) -> None:
    rings = []
    for seed in range(6):
        clean = skin(240, seed=seed)
        mole = disc_at((240, 240), 120, 120, 9)
        wound = wound_in(clean + 0.6 * mole[..., None].astype(np.float32), disc_at((240, 240), 120, 120, 14))
        heal = next(iter(HEALERS[HealerId("donor")].attempts(wound)))
        half, whole = (laid(wound, heal, strength)[0] for strength in (0.5, 1.0))
        beside = disc_at((240, 240), 120, 120, 12) & ~disc_at((240, 240), 120, 120, 10)
        rings.append(float((half - whole)[beside].mean()))
        assert (half - whole)[disc_at((240, 240), 120, 120, 7)].mean() == pytest.approx(0.3, abs=0.03)
    assert abs(np.mean(rings)) < 0.01


def test_strength_zero_changes_nothing(skin: Skin) -> None:
    od = skin(200)
    wound = wound_in(od, disc_at((200, 200), 100, 100, 10))
    heal = next(iter(HEALERS[HealerId("donor")].attempts(wound)))
    assert laid(wound, heal, 0.0)[1] is None


def test_eight_bit_samples_beside_a_heal_are_scaled_exactly(skin: Skin) -> None:
    od = skin(200)
    source = np.rint(np.clip(encode(od), 0, 1) * 255).astype(np.uint8)
    wound = wound_in(density(source), disc_at((200, 200), 100, 100, 10))
    heal = next(iter(HEALERS[HealerId("donor")].attempts(wound)))
    cut = wound.inner.slices
    layers = (heal.low_delta, heal.high, heal.support)
    own = (wound.od[cut], source[cut], wound.low)
    patch = compose(1, wound.inner, own, layers, 1.0)
    assert patch is not None
    beside = ~patch.changed
    kept = source[patch.box.slices].astype(np.uint16) * 257
    assert beside.any()
    assert np.array_equal(patch.pixels[beside], kept[beside])


@pytest.mark.parametrize("healer", sorted(HEALERS))
def test_nothing_is_hung_on_a_rim_that_nobody_may_read(skin: Skin, healer: HealerId) -> None:
    hole = disc_at((260, 260), 130, 110, 12)
    around = disc_at((260, 260), 130, 110, 24) & ~hole
    assert list(HEALERS[healer].attempts(wound_in(skin(260), hole, forbid=around))) == []


def verdict(od: np.ndarray, hole: np.ndarray, after: np.ndarray) -> str:
    return Yardstick.of(bands(od), hole, hole, seed=0).verdict(bands(after), HERE).failed


def test_the_guard_passes_untouched_skin(skin: Skin) -> None:
    passed = 0
    for seed in range(20):
        od = skin(240, seed=seed)
        passed += verdict(od, disc_at((240, 240), 120, 120, 12), od) == ""
    assert passed >= 19


def test_the_guard_names_plastic_skin(skin: Skin) -> None:
    for seed in range(8):
        od = skin(240, seed=seed)
        hole = disc_at((240, 240), 120, 120, 14)
        smooth = np.where(hole[..., None], blur(od, 4.0), od)
        assert verdict(od, hole, smooth) == "plastic"


def test_the_guard_names_what_was_left(skin: Skin) -> None:
    for seed in range(8):
        od = skin(240, seed=seed)
        hole = disc_at((240, 240), 120, 120, 14)
        spoilt = od + 0.2 * blur(disc_at((240, 240), 120, 120, 11).astype(np.float32), 2.0)[..., None]
        assert verdict(spoilt, hole, spoilt) in {"residual", "overload"}


def test_the_guard_does_not_judge_without_clean_skin(skin: Skin) -> None:
    od = skin(60)
    assert verdict(od, disc_at((60, 60), 30, 30, 14), od) == "unjudged"
