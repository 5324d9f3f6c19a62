"""The engine in one sentence: survey, detect, route, heal, compose, guard.

The only file that knows every stage, and the only place with a way back: a heal that the guard refuses is
followed by the next donor, then the next healer, then less low-band strength, and then the spot is left as it
was and offered to a person. Proof belongs to the encoded file and follows in :mod:`retouch_engine.engine`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine import route
from retouch_engine.amend import amended, painted, without_kept
from retouch_engine.corrections import Correction, Corrections
from retouch_engine.detect import chosen, noted
from retouch_engine.growth import grown
from retouch_engine.heal import HEALERS, Healer
from retouch_engine.recall import place_of, recalled
from retouch_engine.recipe import Recipe
from retouch_engine.record import Decision, SpotRecord
from retouch_engine.remnant import whole
from retouch_engine.resume import Begun, Standing
from retouch_engine.sitting import Sitting
from retouch_engine.survey import Opinions, Scene, survey
from retouch_engine.threads import borrowed
from retouch_engine.types import HealerId, Patch, Photo, Spot, Step
from retouch_engine.wounds import Outcome, apart, cases, healed, standing

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works on a photo."""

    healers: Mapping[HealerId, Healer] = field(default_factory=lambda: HEALERS)
    threads: int = 2
    """How many wounds are healed at once; it does not change the result."""
    opinions: Opinions = field(default_factory=Opinions)
    """Installed models that are asked as well what is in the photo."""


CREW = Crew()


@dataclass(frozen=True, slots=True)
class Retouched:
    """What became of a photo: patches to lay into it, a record of each spot, seconds for each stage."""

    patches: tuple[Patch, ...]
    standing: Standing
    """The plan, what became of each wound, and who found the spots."""
    spots: tuple[SpotRecord, ...]
    scene: Scene
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    corrections: Corrections = field(default_factory=Corrections)
    """What a person decided, a painted mask included."""
    last_run: Mapping[str, Any] = field(default_factory=dict)
    """What became of the run before, as plain JSON values: whether it was taken up, and why not."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The plan, in the order of ``spots``."""
        return self.standing.steps


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a photo."""

    mask: NDArray[np.uint8] | None = None
    """What a person painted over it, ``(H, W)``; read as one more round of corrections."""
    sitting: Sitting = field(default_factory=Sitting)
    """What is remembered of other photos of the sitting."""
    before: Standing | None = None
    """What stands since an earlier run, which knew the first of the corrections: then nothing is looked for
    again, and only what the others change is healed."""


def retouch(
    photo: Photo,
    recipe: Recipe,
    progress: Progress,
    corrections: Corrections | None = None,
    beside: Beside | None = None,
    crew: Crew = CREW,
) -> Retouched:
    """Retouch one photo.

    Args:
        photo: the decoded photo.
        recipe: what to do; of a photo that an earlier run began, what that was begun with.
        progress: told each stage's name as it begins.
        corrections: what a person decided about this photo.
        beside: what else is known of it.
        crew: who works on it.
    """
    clock = Stopwatch(progress)
    corrections, beside = corrections or Corrections(), beside or Beside()
    begun, recipe = Begun.now(recipe), corrections.applied(recipe)
    with clock.stage("survey"):
        scene = survey(photo, opinions=crew.opinions)
    work = _Work(photo, scene, recipe, crew)
    standing = beside.before or work.planned(begun, beside.sitting, clock)
    with clock.stage("heal"):
        standing = work.settled(standing)
        for wishes in corrections.rounds():
            if wishes[0] not in standing.wishes:
                standing = work.corrected(standing, wishes)
        known = {i: o.patch for i, o in _by_spot(standing.outcomes).items() if o.patch is not None}
        mask, anew = beside.mask, beside.before is None
        if mask is not None and (wishes := painted(mask, standing.steps, known, standing.wishes, anew=anew)):
            corrections = corrections.and_then(wishes)
            standing = work.corrected(standing, corrections.spots[-len(wishes) :])
    outcomes, by_spot = standing.outcomes, _by_spot(standing.outcomes)
    return Retouched(
        patches=tuple(o.patch for o in outcomes if o.patch is not None),
        standing=standing,
        spots=tuple(_recorded(step, by_spot.get(step.spot.id), scene) for step in standing.steps),
        scene=scene,
        seconds=clock.seconds,
        notes=(*standing.notes, *dict.fromkeys(t for o in outcomes for t in o.troubles), *scene.notes),
        corrections=corrections,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """One photo on its way: what does not change from round to round."""

    photo: Photo
    scene: Scene
    recipe: Recipe
    crew: Crew

    def planned(self, begun: Begun, sitting: Sitting, clock: Stopwatch) -> Standing:
        """The plan before anybody decided anything: detect, route. Nothing is healed yet."""
        with clock.stage("detect"):
            detector = chosen(self.scene)
            spots = detector.detect(self.photo, self.scene, self.recipe)
            spots, followed = recalled(spots, self.scene, sitting, self.recipe.agree)
        with clock.stage("route"):
            steps, notes = routed(self.photo, self.scene, spots, self.recipe, self.crew.healers)
        with clock.stage("heal"):
            steps = grown(self.photo, self.scene, steps)
        return Standing(steps, (), (), detector.spec.id, begun, notes, followed)

    def corrected(self, standing: Standing, wishes: Sequence[Correction]) -> Standing:
        """One more round of wishes."""
        steps = self.next(standing.steps, wishes)
        other = _resized(standing.steps, steps)
        outcomes = tuple(o for o in standing.outcomes if other.isdisjoint(o.spot_ids))
        done = (*standing.wishes, *wishes)
        return self.settled(replace(standing, steps=steps, outcomes=outcomes, wishes=done))

    def next(self, steps: Sequence[Step], wishes: Sequence[Correction]) -> tuple[Step, ...]:
        """The plan after one more round of wishes; holes that have grown already stay as they are."""
        takes = {healer_id: healer.spec.takes for healer_id, healer in self.crew.healers.items()}
        holes = {step.spot.id: step.hole for step in steps if step.healers}
        plan = amended(steps, wishes, self.recipe, takes, self.scene)
        # Kept and healed again in one round, a spot has a hole that is new.
        had = {step.spot.id for step in plan if step.hole is holes.get(step.spot.id)}
        return without_kept(grown(self.photo, self.scene, plan, had), wishes)

    def settled(self, standing: Standing) -> Standing:
        """What becomes of a plan's wounds: where no heal of a hole passes, one of a narrower hole may."""
        steps, outcomes = standing.steps, self.healed(standing.steps, standing.outcomes)
        while self.recipe.strength and (lesser := _narrower(steps, outcomes)):
            steps = tuple(lesser.get(step.spot.id, step) for step in steps)
            wide = {o.spot_ids: o.tried for o in outcomes if not lesser.keys().isdisjoint(o.spot_ids)}
            again = self.healed(steps, [o for o in outcomes if o.spot_ids not in wide])
            outcomes = tuple(replace(o, tried=(*wide.get(o.spot_ids, ()), *o.tried)) for o in again)
        # No later round comes back to them: what stands is the same whether it was just done or read again.
        steps = tuple(replace(step, narrower=None) if step.narrower else step for step in steps)
        return replace(standing, steps=steps, outcomes=outcomes)

    def healed(self, steps: Sequence[Step], before: Sequence[Outcome]) -> tuple[Outcome, ...]:
        """What becomes of a plan's wounds. What stands from the plan before is taken over to the last bit."""
        kept = standing(before, steps)
        done = {outcome.spot_ids for outcome in kept}
        wounds = cases(self.photo, self.scene, steps, self.recipe, done)
        with borrowed("heal", self.crew.threads) as hands:
            outcomes = tuple(
                hands.map(
                    lambda wound: healed(wound, self.recipe, self.crew.healers), (cut() for cut in wounds)
                )
            )
        return (*kept, *apart(wounds, outcomes, self.recipe, kept, self.crew.healers))


def _resized(before: Sequence[Step], now: Sequence[Step]) -> set[int]:
    """The spots of a plan whose holes were cut since, or are whole again."""
    sizes = {step.spot.id: np.count_nonzero(step.hole) for step in before if step.healers}
    return {s.spot.id for s in now if s.healers and np.count_nonzero(s.hole) != sizes.get(s.spot.id, -1)}


def _narrower(steps: Sequence[Step], outcomes: Sequence[Outcome]) -> dict[int, Step]:
    """By spot, the narrower steps of the wounds that are left as they were."""
    left = {i for outcome in outcomes if outcome.patch is None for i in outcome.spot_ids}
    return {step.spot.id: step.narrower for step in steps if step.narrower and step.spot.id in left}


def _by_spot(outcomes: Sequence[Outcome]) -> dict[int, Outcome]:
    """The outcome of each spot."""
    return {i: o for o in outcomes for i in o.spot_ids}


def routed(
    photo: Photo,
    scene: Scene,
    spots: Sequence[Spot],
    recipe: Recipe,
    healers: Mapping[HealerId, Healer],
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """What becomes of each spot before any is healed, and notes on the whole."""
    takes = {healer_id: healer.spec.takes for healer_id, healer in healers.items()}
    steps = whole(photo, scene, route.spared(route.plan(spots, recipe, takes, scene), scene))
    steps, notes = route.within_share(steps, recipe, scene)
    return steps, (*noted(spots), *notes)


def _recorded(step: Step, outcome: Outcome | None, scene: Scene) -> SpotRecord:
    spot, box = step.spot, step.spot.box
    px_per_mm = scene.px_per_mm_at(box)
    decision, reason = _decision(step, outcome)
    return SpotRecord(
        id=spot.id,
        box=(box.x0, box.y0, box.width, box.height),
        diameter_px=round(spot.diameter_px, 1),
        diameter_mm=round(spot.diameter_px / px_per_mm, 2) if px_per_mm else None,
        kind=spot.kind.value,
        score=spot.score,
        decision=decision,
        reason=reason,
        healer=outcome.healer if outcome and outcome.patch else None,
        guard=outcome.figures if outcome else {},
        features=spot.features,
        tried=outcome.tried if outcome else (),
        model=asdict(outcome.made) if outcome and outcome.made else None,
        wish=step.wish,
        # Else another photo of the sitting would heal, because of this one, what this one only offers.
        sure=spot.sure and not (scene.ear_at(box) or scene.suspect_at(box)),
        place=_place(spot, scene),
    )


def _place(spot: Spot, scene: Scene) -> dict[str, float] | None:
    placed = place_of(spot, scene)
    if placed is None:
        return None
    return {"face": placed[0], "x_mm": round(placed[1][0], 2), "y_mm": round(placed[1][1], 2)}


def _decision(step: Step, outcome: Outcome | None) -> tuple[Decision, str]:
    if outcome is not None:
        if outcome.patch is not None:
            return Decision.HEALED, step.reason
        return (Decision.FAILED if outcome.broken else Decision.REVIEW), outcome.reason
    return (Decision.REVIEW if step.review else Decision.KEPT), step.reason


class Stopwatch:
    """Names each stage as it begins and keeps its seconds, all of its turns together."""

    def __init__(self, progress: Progress) -> None:
        self.tell = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        self.tell(name)
        start = time.perf_counter()
        yield
        took = self.seconds.get(name, 0.0) + time.perf_counter() - start
        self.seconds[name] = round(took, 4)
