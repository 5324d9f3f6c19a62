"""Negative controls: what the guard has to refuse, on rendered skin like that of portraits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.heal_cases import Case, cases, ground
from benchmarks.heal_methods import methods, passes
from tests.engine.pixels.conftest import Skin, disc_at, speck_at

from retouch_engine import Kind
from retouch_engine.guard import Yardstick, bands, repeats
from retouch_engine.guard.figures import NAMES, Figures
from retouch_engine.guard.judge import judge
from retouch_engine.guard.null import Null
from retouch_engine.guard.own import Own

HERE = np.zeros((1, 2), np.intp)


@pytest.fixture(scope="module")
def blemishes(chart: Chart) -> list[Case]:
    """Twenty places on clean skin, every kind of blemish, 24 px."""
    where = ground("chart", chart.clean)
    return [case for case in cases(where, (24,), 4, seed=1) if case.variant == "plain"]


@pytest.mark.parametrize("method", ["Telea", "Navier-Stokes", "PatchMatch + MIXED_CLONE"])
def test_the_guard_refuses_the_peers_that_people_find(blemishes: list[Case], method: str) -> None:
    heal = methods()[method]
    results = [(case, heal(case)) for case in blemishes]
    passed = sum(result is not None and passes(case, result) for case, result in results)
    assert len(results) == 20
    assert passed <= 1


def test_the_guard_refuses_half_opacity(blemishes: list[Case]) -> None:
    # Half of a whitehead is no more than skin varies by.
    seen = [case for case in blemishes if case.kind is not Kind.WHITEHEAD]
    heal = methods()["control: half opacity"]
    results = [(case, heal(case)) for case in seen]
    assert sum(result is not None and passes(case, result) for case, result in results) <= 0.05 * len(seen)


def test_the_guard_accepts_untouched_skin(blemishes: list[Case]) -> None:
    assert sum(passes(case, case.truth) for case in blemishes) >= 0.95 * len(blemishes)


def test_the_ladder_heals_all_of_them(blemishes: list[Case]) -> None:
    heal = methods()["retouchd"]
    assert all(heal(case) is not None for case in blemishes)


def failed(od: np.ndarray, hole: np.ndarray, after: np.ndarray) -> str:
    return Yardstick.of(bands(od), hole, hole, seed=0).verdict(bands(after), HERE).failed


def test_the_guard_names_a_halo(skin: Skin) -> None:
    names = []
    for seed in range(8):
        od = skin(240, seed=seed)
        ring = np.hypot(*np.ogrid[-120:120, -120:120])
        # A soft bright ring in the hole and a darker middle, as of too wide a blur: no step, all the texture.
        wave = 0.16 * np.exp(-((ring - 16) ** 2) / 18) - 0.2 * np.exp(-(ring**2) / 72)
        names.append(failed(od, disc_at((240, 240), 120, 120, 24), (od - wave[..., None]).astype(np.float32)))
    assert "" not in names
    assert "halo" in names


def test_the_guard_hears_lost_colour_noise(skin: Skin) -> None:
    rng = np.random.default_rng(1)
    od = skin(240) + 0.02 * rng.normal(size=(240, 240, 3)).astype(np.float32)
    hole = disc_at((240, 240), 120, 120, 16)
    grey = (od - od.mean(axis=-1, keepdims=True)).mean(axis=(0, 1)) + od.mean(axis=-1, keepdims=True)
    assert failed(od, hole, np.where(hole[..., None], grey, od).astype(np.float32)) == "plastic"


def test_the_guard_knows_a_blend_of_two_skins(skin: Skin) -> None:
    rng = np.random.default_rng(2)
    hole = disc_at((240, 240), 120, 120, 16)
    own = skin(240, seed=3) + 0.01 * rng.normal(size=(240, 240, 1)).astype(np.float32)
    other = skin(240, seed=4) + 0.01 * rng.normal(size=(240, 240, 1)).astype(np.float32)
    yardstick = Yardstick.of(bands(own), hole, hole, seed=0)
    shares = {}
    for name, share in (("own", 0.0), ("blend", 0.5), ("other", 1.0)):
        mixed = np.where(hole[..., None], own + np.float32(share) * (other - own), own).astype(np.float32)
        verdict = yardstick.verdict(bands(mixed), HERE)
        shares[name] = (verdict.figures["own"], verdict.failed)
    assert shares["own"] == (1.0, "")
    assert shares["blend"][0] == pytest.approx(0.5, abs=0.1)
    assert shares["blend"][1] == "plastic"
    assert shares["other"][0] == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("radius", [4.0, 6.0])
def test_the_guard_knows_a_wide_feather_in_a_speck(skin: Skin, radius: float) -> None:
    hole = disc_at((200, 200), 100, 100, radius)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    wide = np.clip(depth / (0.66 * depth.max()), 0, 1)[..., None]
    failures, accepted = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        own, other = (
            skin(200, seed=s) + 0.02 * rng.normal(size=(200, 200, 1)).astype(np.float32)
            for s in (seed, seed + 50)
        )
        spoilt = (own + 0.5 * disc_at((200, 200), 100, 100, radius - 3)[..., None]).astype(np.float32)
        yardstick = Yardstick.of(bands(spoilt), hole, hole, seed=0)
        blend = (own + wide * (other - own)).astype(np.float32)
        failures.append(yardstick.verdict(bands(blend), HERE).failed)
        accepted.append(yardstick.verdict(bands(own), HERE).accepted)
    assert failures.count("plastic") >= 6
    assert accepted.count(True) >= 9


def test_the_guard_finds_a_faint_spot_that_is_all_there(skin: Skin) -> None:
    hole = disc_at((240, 240), 120, 120, 8)
    names = []
    for seed in range(6):
        clean = skin(240, seed=seed)
        spoilt = (clean + 0.05 * disc_at((240, 240), 120, 120, 5)[..., None]).astype(np.float32)
        yardstick = Yardstick.of(bands(spoilt), hole, hole, seed=0)
        names.append(
            yardstick.verdict(bands((clean + 0.96 * (spoilt - clean)).astype(np.float32)), HERE).failed
        )
    assert names.count("residual") >= 5


def test_the_guard_finds_half_of_a_faint_blotch(skin: Skin) -> None:
    hole = disc_at((240, 240), 120, 120, 24)
    red = np.exp(-(np.hypot(*np.ogrid[-120:120, -120:120]) ** 2) / 200)[..., None] * np.array(
        [0.03, 0.2, 0.15]
    )
    found = []
    for seed in range(6):
        clean = skin(240, seed=seed)
        yardstick = Yardstick.of(bands((clean + red).astype(np.float32)), hole, hole, seed=0)
        half = yardstick.verdict(bands((clean + 0.5 * red).astype(np.float32)), HERE)
        gone = yardstick.verdict(bands(clean), HERE)
        found.append((half.failed, half.figures["left"] > 0.35, abs(gone.figures["left"]) < 0.35))
    assert [f[0] for f in found].count("residual") >= 5
    assert all(f[1] and f[2] for f in found)


@pytest.mark.parametrize("seed", [1, 3, 4, 7])
def test_the_guard_finds_a_speck_that_was_not_there(mottled: Skin, seed: int) -> None:
    shape = (200, 200)
    clean, hole, speck = mottled(200, seed), disc_at(shape, 100, 100, 14), speck_at(shape, 104, 97)
    assert failed(clean, hole, clean) == ""
    assert failed(clean, hole, clean + speck) == "speck"
    # What lay there is no donor's, and blood is no speck.
    assert failed(clean + speck, hole, clean + speck) == ""
    assert failed(clean, hole, clean + speck * np.array([0.0, 0.5, 0.4], np.float32)) != "speck"


def test_hairs_beside_a_hole_do_not_make_clean_skin_dull(chart: Chart) -> None:
    where = ground("chart", chart.clean)
    beside = [case for case in cases(where, (14, 24), 4, seed=1) if case.variant == "hair"]
    assert len(beside) >= 10
    assert sum(passes(case, case.truth) for case in beside) >= 0.85 * len(beside)


def test_a_donor_beside_its_heal_is_a_repeat() -> None:
    assert repeats(((0, 20),), 20.0)
    assert not repeats(((15, 20),), 20.0)
    assert not repeats((), 20.0)


SPREADS = dict.fromkeys(NAMES, 0.07) | {"spread": 0.05, "seam": 0.07, "left": 0.05}
SPREADS |= {"residual": 0.012, "redder": 0.012, "halo": 0.015}
"""What the guard takes for the least that skin varies by: on skin that does not vary, one deviation."""
OTHER_SKIN = Own(0.3, 0.0, 0.0, 0.0, 100, 0.0, 0.0)
FAINT = {"form": 0.0}


def judged(
    deviations: dict[str, float],
    own: Own = OTHER_SKIN,
    before: dict[str, float] | None = None,
    places: int = 20,
) -> str:
    """What is wrong with a heal whose figures lie so many deviations off skin that does not vary."""
    table = {name: np.zeros((1, len(NAMES))) for name in ("after", "before")}
    for name, far in deviations.items():
        table["after"][0, NAMES.index(name)] = far * SPREADS[name]
    for name, value in ({"form": 3.0} | (before or {})).items():
        table["before"][0, NAMES.index(name)] = value
    null = Null(Figures(np.zeros((places, len(NAMES)))), places, Figures(table["before"]), 20.0, 0.0)
    verdict = judge(Figures(table["after"]), null, own)
    assert verdict.accepted is (verdict.failed == "")
    return verdict.failed


@pytest.mark.parametrize(
    ("deviations", "failed"),
    [
        ({}, ""),
        ({"texture_0": -2.7}, "plastic"),
        ({"texture_1": -2.7}, "plastic"),
        ({"finest": -2.7}, "plastic"),
        ({"texture_0": -2.5}, ""),
        ({"texture_0": -1.6, "finest": -1.6}, "plastic"),
        ({"texture_0": -1.4, "finest": -1.4}, ""),
        ({"texture_0": -1.4, "texture_1": -2.5, "finest": -1.4, "chroma": -2.6}, "plastic"),
        ({"chroma": -4.7}, "plastic"),
        ({"chroma": -4.3}, ""),
        ({"left": 2.5}, "residual"),
        ({"left": 2.1}, ""),
        ({"residual": 3.5}, "residual"),
        ({"redder": 3.5}, "residual"),
        ({"redder": -3.5}, "residual"),
        ({"residual": 3.1, "redder": 3.1}, ""),
        ({"seam": 3.5}, "seam"),
        ({"seam": 3.1}, ""),
        ({"halo": 3.5}, "halo"),
        ({"halo": 3.1}, ""),
        ({"texture_0": 3.5}, "overload"),
        ({"texture_2": 3.5}, "overload"),
        ({"finest": 4.7}, "overload"),
        ({"spread": 6.2}, "overload"),
        ({"speck": 3.9}, "speck"),
        ({"speck": 3.6}, ""),
        ({"texture_1": 3.1, "finest": 4.3, "spread": 5.8, "chroma": 9.0}, ""),
    ],
)
def test_each_figure_has_its_line(deviations: dict[str, float], failed: str) -> None:
    assert judged(deviations) == failed


@pytest.mark.parametrize(
    ("own", "failed"),
    [
        (Own(0.3, 0.5, 0.0, 0.0, 100, 0.1, 0.0), "plastic"),
        (Own(0.3, 0.5, 0.0, 0.0, 50, -0.1, 0.0), "plastic"),
        (Own(0.3, 0.5, 0.0, 0.0, 50, 0.1, 0.0), ""),
        (Own(0.3, 0.25, 0.75, 0.0, 200, 0.1, 0.0), ""),
        (Own(0.3, 0.0, 0.5, 0.0, 130, 0.1, 0.0), "plastic"),
        (Own(0.3, 0.0, 0.5, 0.0, 110, 0.1, 0.0), ""),
        (Own(0.3, 0.5, 0.0, 0.9, 100, 0.1, 0.0), ""),
        (Own(1.0, 0.5, 0.0, 0.0, 100, 0.1, 0.0), ""),
        (Own(0.5, 0.0, 0.0, 0.0, 50, 0.1, 0.1), "plastic"),
        (Own(0.5, 0.0, 0.0, 0.0, 50, 0.1, 0.3), ""),
        (Own(0.5, 0.0, 0.0, 0.0, 100, 0.1, 0.1), ""),
        (Own(0.7, 0.0, 0.0, 0.0, 100, 0.1, 0.1), "plastic"),
        (Own(0.98, 0.0, 0.0, 0.0, 100, 0.1, 0.1), ""),
    ],
)
def test_a_share_of_the_own_texture_is_a_blend_and_all_or_none_of_it_is_not(own: Own, failed: str) -> None:
    assert judged({}, own) == failed


def test_the_places_own_pores_are_never_dull_and_its_colour_noise_is() -> None:
    own = Own(1.0, 1.0, 1.0, 1.0, 100, 0.0, 0.0)
    assert judged({"texture_0": -3.0, "finest": -3.0}, own) == ""
    assert judged({"chroma": -4.7}, own) == "plastic"


def test_of_a_faint_blemish_all_that_is_left_is_found_and_nothing_done_is_not() -> None:
    own = Own(1.0, 0.95, 0.95, 0.95, 100, 0.0, 0.0)
    assert judged({"left": 0.97 / 0.05}, own, FAINT) == "residual"
    assert judged({"left": 0.9 / 0.05}, own, FAINT) == judged({"left": 1.05 / 0.05}, own, FAINT) == ""
    assert judged({"left": 0.97 / 0.05}, OTHER_SKIN, FAINT) == ""
    untouched = Own(1.0, 1.0, 1.0, 1.0, 100, 0.0, 0.0)
    assert judged({"left": 1 / 0.05}, untouched, FAINT) == ""
    assert judged({"left": 0.97 / 0.05}, untouched, FAINT) == "residual"
    for seen, failed in ((1.7, "residual"), (1.3, "")):
        assert judged({"left": 0.9 / 0.05, "halo": seen}, OTHER_SKIN, FAINT) == failed
        assert judged({"left": 0.7 / 0.05, "halo": seen}, OTHER_SKIN, FAINT) == ""


@pytest.mark.parametrize("name", ["residual", "halo"])
def test_on_mottled_skin_a_heal_that_took_away_nearly_all_is_good(name: str) -> None:
    stood_out = {"residual": 0.3, "redder": -0.2}
    for before, failed in (({}, ""), ({"residual": 0.15}, name)):
        assert judged({"residual": 3.0, name: 4.0}, before=stood_out | before) == failed
    for redder, failed in ((-0.25, ""), (-0.2, "residual")):
        assert judged({name: 4.0, "redder": 5.0}, before=stood_out | {"redder": redder}) == failed


def test_with_too_little_clean_skin_nothing_is_judged() -> None:
    assert judged({}, places=7) == "unjudged"
    assert judged({}, places=8) == ""
