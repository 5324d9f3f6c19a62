"""The workers: one alone, or one for each graphics card, each a process of its own that sees no other card.

A process for each card and not one for all: what a library does wrong on one card ends one worker and one
photo, and every worker plans for its own card's memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from retouch_engine import Stock
from retouchd import log
from retouchd.config import Settings
from retouchd.work import gpu
from retouchd.work.supervisor import Supervisor, WorkerPlan

ANY_CARD = ("",)
"""One worker, which sees whatever the daemon sees."""


NO_CARD = ("-1",)
"""One worker, which sees none."""


def cards_of(settings: Settings, stock: Stock) -> tuple[str, ...]:
    """The cards to start a worker for: those of this machine, as far as a model could use one.

    Cards that the settings name and nobody finds are never replaced by others.
    """
    wanted = settings.models
    if not stock.models or wanted.budget_gb == 0:
        return ANY_CARD
    found = gpu.visible(gpu.cards(), os.environ.get("CUDA_VISIBLE_DEVICES"), wanted.cards)
    if len(found) < len(wanted.cards):
        log.get().error("cards not found", wanted=wanted.cards, found=found)
    return found or (NO_CARD if wanted.cards else ANY_CARD)


class Crew:
    """Keeps as many workers as there are cards."""

    def __init__(
        self,
        plan: WorkerPlan,
        job_seconds: float,
        cards: Sequence[str] = ANY_CARD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self.keepers: list[Supervisor] = []
        self._leaving: list[Supervisor] = []
        self.replan(plan, job_seconds, cards)

    def replan(self, plan: WorkerPlan, job_seconds: float, cards: Sequence[str] = ANY_CARD) -> None:
        """Work by another plan; a worker that has a photo in hand finishes it by the old one."""
        self.plan = plan
        plans = [replace(plan, card=card) for card in cards]
        while len(self.keepers) > len(plans):
            self._leaving.append(self.keepers.pop())
        for keeper, its in zip(self.keepers, plans, strict=False):
            keeper.plan, keeper.job_seconds = its, job_seconds
        for its in plans[len(self.keepers) :]:
            self.keepers.append(Supervisor(its, job_seconds, self._clock))

    @property
    def everybody(self) -> list[Supervisor]:
        """Those that go once their photo is done included."""
        return [*self.keepers, *self._leaving]

    @property
    def ready(self) -> bool:
        """One can work, and none is still loading for the first time."""
        return any(k.ready for k in self.keepers) and all(k.ready or k.failures for k in self.keepers)

    @property
    def failures(self) -> int:
        """Starts in a row that failed with everyone; 0 while one worker lives."""
        return min(k.failures for k in self.keepers)

    @property
    def why_not_ready(self) -> str:
        """What the first that failed said."""
        return next((k.why_not_ready for k in self.keepers if k.why_not_ready), "")

    @property
    def fds(self) -> list[int]:
        """The pipes to sleep on."""
        return [k.fd for k in self.everybody if k.fd is not None]

    @property
    def models(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By card (an empty name for the only worker), what each worker said last of its models."""
        return {k.plan.card: k.models for k in self.keepers}

    def renew(self) -> None:
        """Stop the idle workers that were started by an older plan, or that are not needed any more."""
        for keeper in self.keepers:
            if keeper.outdated and not keeper.busy:
                keeper.stop()
        for keeper in [k for k in self._leaving if not k.busy]:
            keeper.stop()
            self._leaving.remove(keeper)

    def keep_running(self) -> None:
        """Start whoever is missing."""
        for keeper in self.keepers:
            keeper.keep_running()

    def kill(self) -> None:
        """End all of them at once."""
        for keeper in self.everybody:
            keeper.kill()

    def stop(self) -> None:
        """Let each close its engine and go."""
        for keeper in self.everybody:
            keeper.stop()
