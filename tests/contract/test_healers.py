"""What every healer promises, asked of each one in the registry and of each that runs a model."""

from __future__ import annotations

import numpy as np
import pytest
from tests.engine.models.networks import NETWORKS, neural_healer

from retouch_engine.heal import HEALERS, Heal, Healer, Wound
from retouch_engine.imaging.bands import blur
from retouch_engine.types import Box

SIZE = 220


def wound(seed: int = 0, *, forbid_left: bool = False) -> Wound:
    rng = np.random.default_rng(4)
    pores = 0.04 * blur(rng.normal(size=(SIZE, SIZE)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.9, 1.3, 1.6], np.float32) + pores[..., None]).astype(np.float32)
    y, x = np.ogrid[:SIZE, :SIZE]
    hole = np.asarray((y - 110) ** 2 + (x - 110) ** 2 <= 12**2)
    forbid = np.zeros_like(hole)
    # It looks as good as the rest: the nearest donor lies there.
    forbid[:, :75] = forbid_left
    return Wound(od, hole, forbid, Box(0, 0, SIZE, SIZE), 24.0, seed, Box(70, 70, 150, 150))


@pytest.fixture(params=[*sorted(HEALERS), *NETWORKS])
def healer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Healer:
    """Each classical healer, and each that runs a network, with a small one of random weights."""
    if request.param in HEALERS:
        return HEALERS[request.param]
    return neural_healer(request.param, tmp_path_factory.mktemp("models"))


def heals(healer: Healer, w: Wound) -> list[Heal]:
    return list(healer.attempts(w))


def test_it_declares_its_needs(healer: Healer) -> None:
    assert (HEALERS.get(healer.spec.id) is healer) is not healer.spec.weights
    assert healer.spec.generative is healer.spec.weights
    assert healer.spec.summary
    assert healer.spec.licence
    assert healer.spec.takes.largest_px > healer.spec.takes.smallest_px >= 0


def test_it_offers_at_least_one_heal_on_plain_skin(healer: Healer) -> None:
    assert heals(healer, wound())


def test_layers_have_the_inner_boxs_shape_and_are_finite_and_locked(healer: Healer) -> None:
    for heal in heals(healer, wound()):
        assert heal.low_delta.shape == heal.high.shape == (80, 80, 3)
        assert heal.support.shape == (80, 80)
        for layer in (heal.low_delta, heal.high, heal.support):
            assert layer.dtype == np.float32
            assert np.isfinite(layer).all()
            assert not layer.flags.writeable


def test_support_is_exactly_zero_outside_the_hole(healer: Healer) -> None:
    w = wound()
    for heal in heals(healer, w):
        outside = ~w.hole[w.inner.slices]
        assert (heal.support[outside] == 0).all()
        assert heal.support.max() == 1


def test_the_same_wound_gives_the_same_layers(healer: Healer) -> None:
    for one, two in zip(heals(healer, wound()), heals(healer, wound()), strict=True):
        assert np.array_equal(one.high, two.high)
        assert np.array_equal(one.low_delta, two.low_delta)
        assert one.donors == two.donors


def test_the_wound_is_not_written_to(healer: Healer) -> None:
    w = wound()
    before = w.od.copy(), w.hole.copy(), w.forbid.copy()
    heals(healer, w)
    assert all(np.array_equal(a, b) for a, b in zip(before, (w.od, w.hole, w.forbid), strict=True))


def test_no_source_pixel_is_forbidden_or_in_the_hole(healer: Healer) -> None:
    w = wound(forbid_left=True)
    rows, columns = np.nonzero(w.hole)
    donors = [donor for heal in heals(healer, w) for donor in heal.donors]
    assert donors
    for dy, dx in donors:
        assert not (w.forbid | w.hole)[rows + dy, columns + dx].any()


def test_nothing_is_offered_where_there_is_no_clean_skin(healer: Healer) -> None:
    w = wound()
    nowhere = Wound(w.od, w.hole, ~w.hole, w.box, w.diameter_px, w.seed, w.inner)
    assert heals(healer, nowhere) == []


def test_a_heal_that_a_model_had_a_hand_in_says_so(healer: Healer) -> None:
    for heal in heals(healer, wound()):
        assert (heal.made is not None) is healer.spec.generative
