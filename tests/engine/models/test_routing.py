"""Who is asked first, in every tier, with the healers that the planner names there; none is loaded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.engine.models.networks import a_pool
from tests.engine.models.stocks import stock
from tests.engine.models.test_budget import card
from tests.engine.test_pipeline import SKIN, spot

from retouch_engine.budget import Plan, Use, plan
from retouch_engine.heal import HEALERS, healers_of
from retouch_engine.heal.neural import steps_for
from retouch_engine.recipe import Kind, Recipe
from retouch_engine.route import plan as route
from retouch_engine.survey import Scene
from retouch_engine.types import HealerId

EDGE = np.ones((400, 400), np.float32)
EDGE[:, 75:] = 0
TIERS = {
    0.0: ["lama"],
    2.0: ["lama"],
    8.0: ["klein", "lama"],
    24.0: ["flux_fill", "lama"],
    48.0: ["flux_fill", "qwen_edit", "lama"],
}


def asked(made: Plan, size: int, scene: Scene = SKIN) -> tuple[HealerId, ...]:
    takes = {name: healer.spec.takes for name, healer in healers_of(made, a_pool()).items()}
    (step,) = route([spot(Kind.PIMPLE, size=size)], Recipe(), takes, scene)
    return step.healers


@pytest.mark.parametrize("gb", TIERS)
def test_small_is_classical_medium_and_edges_are_neural_where_the_budget_has_it(gb: float) -> None:
    made = plan(card(gb), stock())
    neural = [use.model.healer for use in made.uses]
    assert neural == TIERS[gb]
    assert asked(made, 20)[0] in HEALERS
    assert list(asked(made, 80)[: len(neural)]) == neural
    assert asked(made, 20, replace(SKIN, skin=EDGE))[0] in neural
    assert list(asked(made, 170)[: len(neural)]) == neural


@pytest.mark.parametrize("gb", TIERS)
@pytest.mark.parametrize("size", [8, 20, 80, 170])
def test_every_ladder_holds_the_classical_healers(gb: float, size: int) -> None:
    """Whatever a model does, or fails to do, what would have been asked without it is asked after it."""
    made = plan(card(gb), stock())
    with_models, without = asked(made, size), asked(plan(card(gb), stock("none")), size)
    assert without
    assert tuple(h for h in with_models if h in HEALERS) == without
    if size >= 60:
        assert with_models[-1] in HEALERS
    else:
        assert with_models[0] == without[0]


def test_eight_steps_first_and_twenty_for_what_is_hard_or_was_refused() -> None:
    """Medium: 8, and 20 after the guard refused both donors of the 8; large and elongated: 20 at once."""
    from tests.engine.models.test_neural import skin_wound

    (use,) = (u for u in plan(card(140), stock()).uses if u.model.healer == "flux_fill")
    assert isinstance(use, Use)
    assert [p.id for p in use.parts] == ["flux-turbo"]
    assert steps_for(skin_wound(r=40), use) == (8, 20)
    assert steps_for(replace(skin_wound(), diameter_px=160.0), use) == (20,)
