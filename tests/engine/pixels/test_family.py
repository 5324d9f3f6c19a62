"""What each healer is for, re-injection, and heals that lie side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.engine.pixels.conftest import Skin, disc_at, speck_at, wound_in
from tests.engine.pixels.test_healing import contrast, laid, sampled

from retouch_engine import Correction, Corrections, Recipe, Wish, pipeline
from retouch_engine.corrections import packed_bits
from retouch_engine.heal import HEALERS, Heal, Wound
from retouch_engine.heal.fit import Bed
from retouch_engine.heal.reinject import reinjected
from retouch_engine.heal.sources import donors
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, tone
from retouch_engine.record import Decision
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Box, Float, HealerId, Patch, Photo
from retouch_engine.wounds import Case, Outcome, apart, healed

SHAPE = (260, 260)
HOLE = disc_at(SHAPE, 130, 130, 16)
RING = disc_at(SHAPE, 130, 130, 34) & ~disc_at(SHAPE, 130, 130, 20)


def heals(name: str, wound: Wound) -> list[Heal]:
    return list(HEALERS[HealerId(name)].attempts(wound))


def test_tone_takes_the_redness_and_keeps_every_pore(skin: Skin) -> None:
    clean = skin(260, seed=2)
    red = blur(disc_at(SHAPE, 130, 130, 11).astype(np.float32), 3.0)[..., None]
    spoilt = clean + red * np.array([0.02, 0.2, 0.1], np.float32)
    after, _ = laid(wound_in(spoilt, HOLE), heals("tone", wound_in(spoilt, HOLE))[0])
    core = disc_at(SHAPE, 130, 130, 11)
    own, now = ((od - blur(od, 1.2))[core].ravel() for od in (clean, after))
    assert np.corrcoef(own, now)[0, 1] > 0.9
    was, left = (float((od[..., 1] - od[..., 0] - 0.45)[core].mean()) for od in (spoilt, after))
    assert abs(left) < 0.1 * was


def test_tone_steps_back_from_a_rough_spot(skin: Skin) -> None:
    rough = skin(260, seed=2)
    rng = np.random.default_rng(0)
    rough[disc_at(SHAPE, 130, 130, 10)] += 0.15 * rng.normal(size=(1, 1)).astype(np.float32)
    rough += (disc_at(SHAPE, 130, 130, 10) * 0.1 * rng.normal(size=SHAPE))[..., None].astype(np.float32)
    assert heals("tone", wound_in(rough, HOLE)) == []


def test_tone_takes_skin_without_any_texture() -> None:
    """As in a drawing: texture is compared by its logarithm."""
    flat = np.broadcast_to(np.array([0.9, 1.35, 1.7], np.float32), (*SHAPE, 3)).copy()
    assert heals("tone", wound_in(flat, HOLE))


def test_clone_pulls_no_colour_across_an_edge(skin: Skin) -> None:
    clean = skin(260, seed=5)
    beyond = np.broadcast_to(np.arange(260) > 141, SHAPE)
    hole = disc_at(SHAPE, 130, 130, 10) & ~beyond
    od = np.where(beyond[..., None], np.array([1.6, 2.6, 2.4], np.float32), clean).astype(np.float32)
    wound = wound_in(od, hole, forbid=beyond & ~hole)
    after, _ = laid(wound, heals("clone", wound)[0])
    assert np.abs(after[hole].mean(axis=0) - clean[hole].mean(axis=0)).max() < 0.08


@pytest.mark.parametrize("side", [np.pi / 2, np.pi])
def test_clone_lays_no_disc_into_skin_that_is_inflamed_on_a_side(skin: Skin, side: float) -> None:
    clean = skin(260, seed=5)
    hole = disc_at(SHAPE, 130, 130, 12)
    rows, columns = np.mgrid[:260, :260] - 130.0
    on_the_side = (np.hypot(rows, columns) < 26) & (np.abs(np.arctan2(rows, columns)) < side / 2)
    inflamed = blur(on_the_side.astype(np.float32), 2.0)[..., None] * np.array([0.05, 0.4, 0.3], np.float32)
    assert heals("clone", wound_in(clean, hole))
    assert heals("clone", wound_in(clean + 0.3 * inflamed, hole))
    assert heals("clone", wound_in(clean + inflamed, hole)) == []


def test_patchmatch_is_the_same_in_any_thread(skin: Skin) -> None:
    wounds = [wound_in(skin(200, seed=s), disc_at((200, 200), 100, 100, 9)) for s in range(4)]
    alone = [heals("patchmatch", w)[0].high for w in wounds]
    with borrowed("test heal", 4) as hands:
        together = hands.map(lambda w: heals("patchmatch", w)[0].high, wounds)
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_patchmatch_leads_a_furrow_across_a_large_hole(skin: Skin) -> None:
    clean = skin(260, seed=6)
    clean += 0.3 * np.exp(-(((np.arange(260) - 130) / 9.0) ** 2) / 2).astype(np.float32)[:, None, None]
    spoilt = clean.copy()
    hole = disc_at(SHAPE, 130, 130, 27)
    spoilt[hole] += np.float32(0.5)
    after, _ = laid(wound_in(spoilt, hole), heals("patchmatch", wound_in(spoilt, hole))[0])
    middle, above = (slice(125, 136), slice(120, 141)), (slice(104, 110), slice(125, 136))
    deep, was = (float(od[middle].mean() - od[above].mean()) for od in (after, clean))
    assert abs(deep - was) < 0.3 * was


def test_patchmatch_takes_nothing_of_a_blemish_beside_what_is_forbidden(skin: Skin) -> None:
    beyond, left = np.broadcast_to(np.arange(260) > 146, SHAPE), []
    hole = disc_at(SHAPE, 130, 130, 26) & ~beyond
    beside = hole & np.broadcast_to(np.arange(260) > 143, SHAPE)
    for seed in range(4):
        clean = skin(260, seed=seed) + beyond[..., None].astype(np.float32)
        wound = wound_in(clean + 0.6 * hole[..., None].astype(np.float32), hole, forbid=beyond)
        after, _ = laid(wound, heals("patchmatch", wound)[0])
        left.append(float((after - clean)[beside].mean()))
    assert np.mean(left) < 0.1


def test_no_donor_carries_a_hair(skin: Skin) -> None:
    od = skin(260, seed=1)
    hair = np.zeros(SHAPE, bool)
    hair[:, 168:171] = True
    od[hair] += np.float32(0.9)
    wound = wound_in(od, HOLE)
    rows, columns = np.nonzero(HOLE)
    found = donors(wound, 5)
    assert found
    assert not any(hair[rows + dy, columns + dx].any() for dy, dx in found)


def neural(clean: np.ndarray) -> np.ndarray:
    """What a model gives back: smooth, off in colour, in 8 bits."""
    smooth = blur(clean, 3.0) + np.array([0.05, -0.04, 0.08], np.float32)
    return np.asarray(np.rint(smooth * 40) / 40, np.float32)


def test_reinjection_gives_a_smooth_fill_real_pores_and_the_right_colour(skin: Skin) -> None:
    clean = skin(260, seed=9, light=(0.0, 0.3))
    wound = wound_in(clean, HOLE)
    bed = Bed.of(wound)
    assert bed is not None
    cut = wound.inner.slices
    whole = reinjected(bed, neural(clean)[cut], donors(wound, 1)[0], 3.0)
    assert whole is not None
    after = clean.copy()
    after[cut] = whole
    assert np.array_equal(after[~HOLE], clean[~HOLE])
    assert 0.8 < contrast(after, HOLE, RING, 1.0) < 1.25
    assert np.abs((blur(after, 4.0) - blur(clean, 4.0))[HOLE]).mean() < 0.03


def test_reinjection_keeps_hair_out_of_both_bands(skin: Skin) -> None:
    clean = skin(260, seed=9)
    hair = np.broadcast_to(np.arange(260) > 150, SHAPE)
    od = np.where(hair[..., None], np.float32(4.0), clean).astype(np.float32)
    wound = wound_in(od, HOLE, forbid=hair & ~HOLE)
    bed = Bed.of(wound)
    assert bed is not None
    cut = wound.inner.slices
    whole = reinjected(bed, neural(od)[cut], donors(wound, 1)[0], 3.0)
    assert whole is not None
    assert np.abs(blur(whole, 2.0)[HOLE[cut]].mean(axis=0) - clean[HOLE].mean(axis=0)).max() < 0.06


def healed_for_nothing(
    skin: Skin, name: str, hole: Bool, strength: float, seeds: int
) -> Iterator[tuple[Float, Float]]:
    """Clean skin and the same with a healer's first heal in it; ``tone`` steps back from some of it."""
    for seed in range(seeds):
        clean = skin(260, seed=seed)
        wound = wound_in(clean, hole)
        for heal in heals(name, wound)[:1]:
            yield clean, laid(wound, heal, strength)[0]


@pytest.mark.parametrize("strength", [0.1, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("name", ["donor", "frequency", "clone", "tone"])
def test_texture_stays_whole_at_every_strength(skin: Skin, name: str, strength: float) -> None:
    ratios = [
        contrast(after, HOLE, RING, 1.0) / contrast(clean, HOLE, RING, 1.0)
        for clean, after in healed_for_nothing(skin, name, HOLE, strength, 6)
    ]
    assert len(ratios) >= 2
    assert 0.95 < np.median(ratios) < 1.05


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("name", ["donor", "tone"])
@pytest.mark.parametrize("radius", [11, 16])
def test_furrows_stay_whole_at_every_strength(skin: Skin, name: str, radius: int, strength: float) -> None:
    hole = disc_at(SHAPE, 130, 130, radius)
    ratios = []
    for clean, after in healed_for_nothing(skin, name, hole, strength, 16):
        bands = (blur(tone(od), 2.0) - blur(tone(od), 3.2) for od in (after, clean))
        now, was = (float(band[hole].std()) for band in bands)
        ratios.append(now / was)
    assert len(ratios) >= 4
    assert 0.94 < np.median(ratios) < 1.1


def test_a_small_heal_has_the_rims_colour_and_not_its_donors(skin: Skin) -> None:
    hole = disc_at(SHAPE, 130, 130, 5)
    off = []
    for seed in range(6):
        clean = skin(260, seed=seed)
        bed = Bed.of(wound_in(clean, hole))
        assert bed is not None
        cut = bed.wound.inner.slices
        flat = bed.flat()[hole[cut]].mean(axis=0)
        for offset in donors(bed.wound, 3):
            grafted = bed.grafted(offset)
            assert grafted is not None
            off.append(np.abs(grafted[hole[cut]].mean(axis=0) - flat).max())
    assert np.median(off) < 0.002


def test_a_dark_spots_edge_is_no_hair_and_a_hair_that_crosses_it_is(skin: Skin) -> None:
    clean = skin(260, seed=4)
    hole = disc_at(SHAPE, 130, 130, 11)
    mole = clean + 1.2 * disc_at(SHAPE, 130, 130, 8)[..., None]
    assert not (wound_in(mole.astype(np.float32), hole).dirty & ~hole).any()
    mole[:, 129:131] += 1.5
    crossed = wound_in(mole.astype(np.float32), hole).dirty
    assert crossed[113:119, 129:131].all()
    assert crossed[142:148, 129:131].all()
    assert not crossed[125:135, 142:145].any()


def with_hair(clean: Float, left: int, top: int, bottom: int) -> Wound:
    """A red spot in skin, and a fair hair, 2 px wide, from one row down to another."""
    od = clean + 0.3 * blur(HOLE.astype(np.float32), 2.0)[..., None] * np.array([0.1, 1, 0.8], np.float32)
    od[top:bottom, left : left + 2] -= 0.4
    return wound_in(od.astype(np.float32), HOLE)


@pytest.mark.parametrize(
    ("left", "top", "bottom", "crossed"),
    [
        (130, 60, 200, True),
        (130, 60, 120, True),
        (130, 107, 153, False),
        (130, 60, 105, False),
        (151, 60, 200, False),
    ],
    ids=["across", "into it", "a whisker", "ending before it", "beside it"],
)
def test_a_hair_is_cut_where_it_runs_into_the_hole(
    skin: Skin, left: int, top: int, bottom: int, crossed: bool
) -> None:
    assert with_hair(skin(260, seed=4), left, top, bottom).crossed is crossed


def test_a_hair_across_a_spot_is_not_cut_unless_a_person_asks(skin: Skin) -> None:
    wound = with_hair(skin(260, seed=4), 130, 60, 200)
    source = sampled(wound.od)
    case = Case((1,), wound, tuple(HEALERS), source)
    left, asked = (healed(each, Recipe()) for each in (case, replace(case, asked=True)))
    assert left.patch is None
    assert "a hair lies across it" in left.reason
    assert "a hair" not in asked.reason


def spots_on(clean: np.ndarray, count: int) -> tuple[Photo, Corrections]:
    """A patch of red spots, painted by hand."""
    rng = np.random.default_rng(3)
    od, spots = clean.copy(), []
    for _ in range(count):
        y, x = rng.integers(120, 280, 2)
        mask = disc_at(clean.shape[:2], y, x, 5)
        od += blur(mask.astype(np.float32), 1.0)[..., None] * np.array([0.05, 0.4, 0.3], np.float32)
        inside = mask[y - 6 : y + 7, x - 6 : x + 7]
        shape = packed_bits(np.packbits(inside).tobytes())
        spots.append(Correction((int(x) - 6, int(y) - 6, 13, 13), Wish.HEAL, shape=shape))
    return Photo(sampled(od)), Corrections(tuple(spots))


def test_a_patch_of_forty_spots_is_healed_without_a_trace_of_red(skin: Skin) -> None:
    clean = skin(400, seed=8)
    photo, wishes = spots_on(clean, 40)
    done = pipeline.retouch(photo, Recipe(), lambda _stage: None, wishes)
    asked = [(s, step.spot) for s, step in zip(done.spots, done.steps, strict=True) if s.wish == Wish.HEAL]
    assert len(asked) >= 30
    assert np.mean([s.decision is Decision.HEALED for s, _ in asked]) > 0.9
    after = photo.pixels.copy()
    for patch in done.patches:
        after[patch.box.slices] = patch.pixels
    red = blur(np.float32(1) * after[..., 0] - after[..., 1], 3.0)
    clean_red = blur(np.float32(1) * sampled(clean)[..., 0] - sampled(clean)[..., 1], 3.0)
    for record, spot in asked:
        if record.decision is Decision.HEALED:
            gap = (red - clean_red)[spot.box.slices][spot.mask].mean()
            assert abs(gap) < 0.02 * 65535


def test_two_heals_with_one_donor_are_taken_apart(skin: Skin) -> None:
    patch = Patch(1, Box(90, 90, 110, 110), np.zeros((20, 20, 3), np.uint16), np.ones((20, 20), bool))
    beside = Patch(2, Box(90, 130, 110, 150), np.zeros((20, 20, 3), np.uint16), np.ones((20, 20), bool))
    donor = Box(130, 100, 150, 120)
    one = Outcome((1,), patch, "healed", donors=(donor,))
    two = Outcome((2,), beside, "healed", donors=(Box(132, 102, 152, 122),))
    far = Outcome((2,), beside, "healed", donors=(Box(10, 10, 30, 30),))
    assert apart(iter(()), (one, far), Recipe()) == (one, far)
    assert apart(iter(()), (one, two), Recipe())[0] is one


@pytest.mark.parametrize("seed", [1, 3, 5, 8])
def test_a_heal_brings_no_speck_of_its_donors(mottled: Skin, seed: int) -> None:
    clean = mottled(260, seed)
    red = blur(disc_at(SHAPE, 130, 130, 11).astype(np.float32), 3.0)[..., None]
    spoilt = clean + red * np.array([0.02, 0.4, 0.3], np.float32)
    (dy, dx), *_ = donors(wound_in(spoilt, HOLE), 1)
    wound = wound_in(spoilt + speck_at(SHAPE, 132 + dy, 127 + dx), HOLE)
    assert donors(wound, 1) == [(dy, dx)]
    done = healed(Case((1,), wound, (HealerId("donor"),), sampled(wound.od)), Recipe())
    assert "donor@1.00: speck" in done.tried
    assert done.patch is not None
    cut = done.patch.box.slices
    after = np.where(done.patch.changed[..., None], density(done.patch.pixels), wound.od[cut])
    darkest, usual = (float((blur(od, 2.0) - blur(od, 3.2))[..., 0].max()) for od in (after, clean))
    assert darkest < 1.2 * usual
