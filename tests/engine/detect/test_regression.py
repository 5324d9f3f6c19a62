"""The second opinion on blemishes: how figures are weighed, and how it meets the trees."""

from __future__ import annotations

import math

import pytest

from retouch_engine.detect import trees
from retouch_engine.detect.regression import TERMS, Regression, weighed

NEUTRAL = Regression((0.0,) * len(TERMS), 0.0)
PLACE = {term.name: number for number, term in enumerate(TERMS)}


def only(name: str, weight: float) -> Regression:
    return Regression(tuple(weight if term.name == name else 0.0 for term in TERMS), 0.0)


def test_figures_are_bounded_and_a_missing_one_is_a_middling_one() -> None:
    wild = weighed({"mm": 1e9, "judged_blemish": 1.0, "melanin": -40.0, "blemishes_near": 1e9})
    assert wild[PLACE["mm"]] == pytest.approx(math.log(10))
    assert wild[PLACE["melanin"]] == -0.5
    assert wild[PLACE["blemishes_near"]] == pytest.approx(math.log(16))
    assert all(math.isfinite(x) for x in wild)
    assert weighed({}) == weighed({term.name: term.missing for term in TERMS})


@pytest.mark.parametrize("odds", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_without_an_opinion_of_its_own_it_halves_the_trees_in_log_odds(odds: float) -> None:
    told = NEUTRAL.with_trees({}, odds)
    assert 0 < told < 1
    if 0 < odds < 1:
        assert math.log(told / (1 - told)) == pytest.approx(math.log(odds / (1 - odds)) / 2)


def test_what_one_witness_says_is_bounded() -> None:
    sure = only("z", 1e6)
    assert sure.with_trees({"z": 25.0}, 0.001) == pytest.approx(0.39, abs=0.01)
    assert sure.with_trees({"z": 25.0}, 0.5) == pytest.approx(1 / (1 + math.exp(-3)))


def test_what_ships_speaks_against_folds_and_for_what_the_networks_saw() -> None:
    shipped = trees.shipped().regression
    seen = {"blemish_most": 0.9, "judged_blemish": 0.8, "coherence": 0.2}
    middle = shipped.with_trees(seen, 0.5)
    assert shipped.with_trees({**seen, "coherence": 0.7}, 0.5) < middle
    assert shipped.with_trees({**seen, "judged_blemish": 0.99}, 0.5) > middle
    assert shipped.with_trees({**seen, "on_face": 0.0}, 0.5) < middle


def test_a_regression_over_other_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="other figures"):
        Regression.parsed({"figures": ["z"], "weights": [1.0], "bias": 0.0})
