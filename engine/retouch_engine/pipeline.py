"""The engine in one sentence: survey, detect, route, heal, compose, guard.

The only file that knows every stage, and the only place with a way back: a heal that the guard refuses is
followed by the next donor, then the next healer, then less low-band strength, and then the spot is left as it
was and offered to a person. Proof belongs to the encoded file and follows in :mod:`retouch_engine.engine`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from retouch_engine import route
from retouch_engine.amend import amended, painted
from retouch_engine.corrections import Correction, Corrections
from retouch_engine.detect import chosen
from retouch_engine.growth import grown
from retouch_engine.heal import HEALERS, Healer
from retouch_engine.recipe import Recipe
from retouch_engine.record import Decision, SpotRecord
from retouch_engine.survey import Opinions, Scene, survey
from retouch_engine.types import DetectorId, HealerId, Patch, Photo, Spot, Step
from retouch_engine.wounds import Outcome, Wounds, apart, healed, standing

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Retouched:
    """What became of a photo: patches to lay into it, a record of each spot, seconds for each stage."""

    patches: tuple[Patch, ...]
    steps: tuple[Step, ...]
    spots: tuple[SpotRecord, ...]
    scene: Scene
    detector: DetectorId
    """Who found the spots."""
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    corrections: Corrections = field(default_factory=Corrections)
    """What a person decided, a painted mask included."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """What the installed models add to a photo's way: healers, and second opinions of what is in it."""

    healers: Mapping[HealerId, Healer]
    opinions: Opinions = Opinions()  # noqa: RUF009 - frozen, and empty


NO_MODELS = Helpers(HEALERS)


def retouch(
    photo: Photo,
    recipe: Recipe,
    progress: Progress,
    corrections: Corrections | None = None,
    mask: NDArray[np.uint8] | None = None,
    threads: int = 2,
    helpers: Helpers = NO_MODELS,
) -> Retouched:
    """Retouch one photo.

    Args:
        photo: the decoded photo.
        recipe: what to do.
        progress: told each stage's name as it begins.
        corrections: what a person decided about this photo.
        mask: what a person painted over it, ``(H, W)`` uint8; read as one more round of corrections.
        threads: how many wounds are healed at once; it does not change the result.
        helpers: who may heal, and who is asked as well.
    """
    healers = helpers.healers
    clock = Stopwatch(progress)
    corrections = corrections or Corrections()
    recipe = corrections.applied(recipe)
    with clock.stage("survey"):
        scene = survey(photo, opinions=helpers.opinions)
    with clock.stage("detect"):
        detector = chosen(scene)
        spots = detector.detect(photo, scene, recipe)
    with clock.stage("route"):
        steps, notes = routed(photo, scene, spots, recipe, healers)
    with clock.stage("heal"):
        steps = grown(photo, scene, steps)
        outcomes = _healed(photo, scene, steps, recipe, (), threads, healers)
        for wishes in corrections.rounds():
            steps = _next(photo, scene, steps, wishes, recipe, healers)
            outcomes = _healed(photo, scene, steps, recipe, outcomes, threads, healers)
        if mask is not None and (wishes := painted(mask, steps, _by_spot(outcomes, whole=True))):
            corrections = corrections.and_then(wishes)
            steps = _next(photo, scene, steps, wishes, recipe, healers)
            outcomes = _healed(photo, scene, steps, recipe, outcomes, threads, healers)
    by_spot = _by_spot(outcomes)
    return Retouched(
        patches=tuple(o.patch for o in outcomes if o.patch is not None),
        steps=steps,
        spots=tuple(_recorded(step, by_spot.get(step.spot.id), scene) for step in steps),
        scene=scene,
        detector=detector.spec.id,
        seconds=clock.seconds,
        notes=(*notes, *dict.fromkeys(t for o in outcomes for t in o.troubles), *scene.notes),
        corrections=corrections,
    )


def _by_spot(outcomes: Sequence[Outcome], *, whole: bool = False) -> dict[int, Outcome]:
    """The outcome of each spot; only of those that were healed, when they are asked for."""
    return {i: o for o in outcomes for i in o.spot_ids if o.patch is not None or not whole}


def _next(
    photo: Photo,
    scene: Scene,
    steps: Sequence[Step],
    wishes: Sequence[Correction],
    recipe: Recipe,
    healers: Mapping[HealerId, Healer],
) -> tuple[Step, ...]:
    """The plan after one more round of wishes; holes that have grown already stay as they are."""
    takes = {healer_id: healer.spec.takes for healer_id, healer in healers.items()}
    had = {step.spot.id for step in steps if step.healers}
    plan = amended(steps, wishes, recipe, takes, scene)
    return tuple(step if step.spot.id in had else grown(photo, scene, [step])[0] for step in plan)


def _healed(
    photo: Photo,
    scene: Scene,
    steps: Sequence[Step],
    recipe: Recipe,
    before: Sequence[Outcome],
    threads: int,
    healers: Mapping[HealerId, Healer],
) -> tuple[Outcome, ...]:
    """What becomes of a plan's wounds. What stands from the plan before is taken over to the last bit."""
    kept = standing(before, steps)
    done = {outcome.spot_ids for outcome in kept}
    wounds = Wounds.of(photo, scene, steps, recipe, done)
    with ThreadPoolExecutor(threads) as pool:
        outcomes = tuple(pool.map(lambda wound: healed(wound, recipe, healers), wounds))
    again = Wounds.of(photo, scene, steps, recipe, done)
    return (*kept, *apart(again, outcomes, recipe, kept, healers))


def routed(
    photo: Photo,
    scene: Scene,
    spots: Sequence[Spot],
    recipe: Recipe,
    healers: Mapping[HealerId, Healer],
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """What becomes of each spot before any is healed, and notes on the whole."""
    takes = {healer_id: healer.spec.takes for healer_id, healer in healers.items()}
    steps = route.spared(route.plan(spots, recipe, takes, scene), scene)
    share = route.holes_share(steps, scene.skin_share * photo.height * photo.width)
    if share <= recipe.largest_healed_share:
        return steps, ()
    reason = f"the heals would cover {share:.1%} of the skin, over {recipe.largest_healed_share:.1%}"
    return route.all_for_review(steps, reason), (f"nothing healed: {reason}",)


def _recorded(step: Step, outcome: Outcome | None, scene: Scene) -> SpotRecord:
    spot, box = step.spot, step.spot.box
    px_per_mm = scene.scale.px_per_mm
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
    )


def _decision(step: Step, outcome: Outcome | None) -> tuple[Decision, str]:
    if outcome is not None:
        if outcome.patch is not None:
            return Decision.HEALED, step.reason
        return (Decision.FAILED if outcome.broken else Decision.REVIEW), outcome.reason
    return (Decision.REVIEW if step.review else Decision.KEPT), step.reason


class Stopwatch:
    """Names each stage as it begins and keeps its seconds."""

    def __init__(self, progress: Progress) -> None:
        self.tell = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        self.tell(name)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 4)
