"""The models of one engine: what was planned for this machine, who holds it, what the record has to say.

Without models in the recipe there is nothing in here that could change a pixel: the healers are the
classical ones and no library is looked for.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from retouch_engine.budget import Machine, Plan, Use, plan
from retouch_engine.errors import EngineError, ModelUnusable
from retouch_engine.heal import HEALERS, Healer, healers_of
from retouch_engine.pool import Hands, Pool
from retouch_engine.recipe import Recipe
from retouch_engine.record import SpotRecord
from retouch_engine.runtime import load, look
from retouch_engine.runtime.machine import free_mb
from retouch_engine.stock import Stock
from retouch_engine.survey import Opinions
from retouch_engine.types import HealerId


class Residency:
    """Models from the engine's start to its end."""

    def __init__(self, stock: Stock, machine: Machine | None = None, hands: Hands | None = None) -> None:
        self._stock = stock
        # Looking at the card takes a moment, which an engine without models does not owe anybody.
        self.machine = machine or (look(stock.budget_gb) if stock.models else Machine())
        self.plan = plan(self.machine, stock)
        hands = hands or Hands(partial(load, prompts=stock.prompts), free_mb, time.monotonic, release)
        self._pool = Pool(hands, self.machine.card_mb, stock.idle_s)
        self.troubles: list[str] = []
        for use in self.plan.uses:
            if use.model.id in stock.pinned:
                self._pin(use)
        here = {use.model.id for use in self.plan.uses}
        self.troubles += [
            f"{name} is pinned, but not part of the plan" for name in stock.pinned if name not in here
        ]

    def _pin(self, use: Use) -> None:
        """Load a model for good. One that does not load is said so in each record; the night goes on."""
        try:
            self._pool.pin(use)
        except EngineError as error:
            self.troubles.append(f"{use.model.id} is pinned, but did not load: {error}")

    def plan_for(self, recipe: Recipe) -> Plan:
        """The plan with no other models than those that the recipe names.

        Raises:
            ModelUnusable: it names one that this engine was not handed.
        """
        strangers = set(recipe.models) - set(self._stock.names)
        if strangers:
            name = min(strangers).partition("@")[0]
            raise ModelUnusable(name, "the recipe names files that this engine was not handed")
        return plan(self.machine, self._stock.only(recipe.models))

    def healers(self, made: Plan) -> Mapping[HealerId, Healer]:
        """Who heals under a plan."""
        return healers_of(made, self._pool) if made.uses else HEALERS

    def opinions(self, recipe: Recipe) -> Opinions:
        """Who is asked as well, of the models that the recipe names."""
        return Opinions.of(self._stock.only(recipe.models).models)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Let go of what idled too long; then :meth:`retouch_engine.pool.Pool.figures`."""
        self._pool.sweep()
        return self._pool.figures()

    def about(self) -> dict[str, str]:
        """The plan and why, for ``retouchd doctor``."""
        made = self.plan if self._stock.models else plan(look(self._stock.budget_gb), self._stock)
        lines = (*made.why, *self.troubles)
        asked = ", ".join(m.id for m in Opinions.of(self._stock.models).models)
        second = {"second opinions": asked} if asked else {}
        return {"plan": made.tier} | {f"plan {i}": line for i, line in enumerate(lines, 1)} | second

    def close(self) -> None:
        """Let go of everything."""
        self._pool.close()


def told(made: Plan, spots: Sequence[SpotRecord]) -> dict[str, Any]:
    """What a record says of the models: nothing without any; else which, and their spots."""
    if not made.uses:
        return {}
    return {
        "models": [
            {
                "id": use.model.id,
                "digest": use.model.digest,
                "licence": use.model.licence,
                "commercial": use.model.commercial,
                "precision": use.precision,
                "device": use.device,
                "offload": use.offload,
                "parts": [part.name for part in use.parts],
                "spots": [s.id for s in spots if s.model and s.model["model"] == use.model.id],
            }
            for use in made.uses
        ]
    }


def opinions_told(opinions: Opinions) -> dict[str, Any]:
    """What a record says of the models that were asked as well: nothing without any."""
    if not opinions.models:
        return {}
    keys = ("id", "digest", "licence", "commercial")
    return {"second_opinions": [{k: getattr(m, k) for k in keys} for m in opinions.models]}


def warnings(made: Plan) -> list[str]:
    """A line for each model, or part of one, that may not be used for paid work."""
    every = {m.id: m for use in made.uses for m in (use.model, *use.parts)}
    return [
        f"{m.id} was available for this photo; its licence {m.licence} forbids commercial use"
        for m in every.values()
        if not m.commercial
    ]


def release(device: str) -> None:
    """Give cached memory back, where torch is loaded at all."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and device != "cpu" and torch.cuda.is_available():
        torch.cuda.empty_cache()
