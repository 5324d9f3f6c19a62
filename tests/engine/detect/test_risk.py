"""The risk of healing what belongs to the person: which figure speaks for it, and how far."""

from __future__ import annotations

import pytest
from tests.engine.detect.test_learned import BARS, RED

from retouch_engine.detect import trees


@pytest.mark.parametrize(
    "witness",
    [
        {"permanent_most": 0.9},
        {"judged_permanent": 0.5},
        {"melanin": 0.9, "rise_g": 0.9},
        {"permanents_near": 8.0},
        {"blemishes_near": 0.0},
    ],
)
def test_the_risk_grows_with_whatever_speaks_for_a_permanent_mark(witness: dict[str, float]) -> None:
    risk = trees.shipped().risk
    assert risk.odds({**RED, **witness}, 0.8, 0.02) > risk.odds(RED, 0.8, 0.02)


def test_the_risk_knows_brown_from_a_line_on_and_counts_company_so_far() -> None:
    def odds(**change: float) -> float:
        return trees.shipped().risk.odds({**RED, **change}, 0.8, 0.02)

    assert odds(melanin=0.1) == odds(melanin=0.46) < odds(melanin=0.6)
    assert odds(blemishes_near=3.0) > odds(blemishes_near=4.0) == odds(blemishes_near=40.0)
    assert odds(mm=0.0) == odds(mm=0.3) != odds(mm=0.4)
    faint = {name: value for name, value in RED.items() if name not in {"melanin", "rise_g"}}
    assert trees.shipped().risk.odds(faint, 0.8, 0.02) == odds(melanin=0.37, rise_g=0.1)


def test_the_risk_grows_with_the_trees_odds_and_a_mole_amid_acne_stays_one() -> None:
    risk = trees.shipped().risk
    red = risk.odds(RED, 0.9, 0.01)
    assert red < BARS.risk
    assert risk.odds(RED, 0.9, 0.4) > red < risk.odds(RED, 0.4, 0.01)
    unseen = {name: value for name, value in RED.items() if name != "judged_permanent"}
    assert risk.odds(unseen, 0.9, 0.01) > red
    mole = {"melanin": 0.7, "rise_g": 0.6, "permanent_most": 0.95, "judged_permanent": 0.6}
    amid = {"blemishes_near": 40.0}
    assert risk.odds({**RED, **mole, **amid}, 0.6, 0.3) > BARS.risk
