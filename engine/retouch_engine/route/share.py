"""Too much to heal is a sign of acne for a person to look at, of a rash, or of a detector that went wrong.

Counted for each face and for each body by itself: in a group one person's skin says nothing about another's.
And counted as it was found, since it is the finds that are doubted. What is changed in the end is a third
more at the median of 223 faces and bodies, three times as much at the most, around a few soft spots: 2.0 %
where 0.7 were found. Counted so, at the same limit, that face would have lost six labelled blemishes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from retouch_engine.recipe import Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import Step

_OFF_FACES = 0.4
"""Of the share that may be healed of a face, what may be of a body, and of skin where no face is known: acne
is measured on faces, and without one spots are told less well. Of 15 crops of portraits without the eyes none
has over 0.2 % to heal in any look; 1,161 photos from elsewhere stayed below a fiftieth. Under drawn rashes
eight of eleven have 2.2 to 4.9 %."""
Area = tuple[int, bool]
"""A person's face (True) or body (False); ``(0, False)`` where no face is known. A body counts beside all
skin of its person: of an ear or a strip of neck alone one pimple would be too much."""


def within_share(
    steps: Sequence[Step], recipe: Recipe, scene: Scene
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The plan without the heals of areas where they would cover more than the recipe's share, and notes."""
    healed: Counter[Area] = Counter()
    heals: Counter[Area] = Counter()
    for step in steps:
        if step.healers:
            healed[_area(step, scene)] += int(step.hole.sum())
            heals[_area(step, scene)] += 1
    reasons: dict[Area, str] = {}
    for area, px in sorted(healed.items()):
        share, most = px / max(1.0, _skin_px(area, scene)), _most(area, recipe)
        if share > most:
            reasons[area] = (
                f"the heals would cover {share:.2%} of {_words(area)}, over {_limit(area, recipe)}"
            )
    return tuple(_offered(step, reasons, scene) for step in steps), tuple(
        f"nothing healed: {reason}; its {heals[area]} spots are for review"
        for area, reason in reasons.items()
    )


def _most(area: Area, recipe: Recipe) -> float:
    """The share of an area that may be healed."""
    return recipe.largest_healed_share * (1.0 if area[1] else _OFF_FACES)


def _limit(area: Area, recipe: Recipe) -> str:
    part = "" if area[1] else f"{_OFF_FACES} of "
    return f"{part}largest_healed_share ({_most(area, recipe):.1%})"


def _offered(step: Step, reasons: dict[Area, str], scene: Scene) -> Step:
    reason = reasons.get(_area(step, scene)) if step.healers and reasons else None
    return Step(step.spot, (), step.hole, step.box, reason, review=True) if reason else step


def _area(step: Step, scene: Scene) -> Area:
    person = scene.person_at(step.spot.box)
    return (person.id if person else 0, scene.face_at(step.spot.box) is not None)


def _skin_px(area: Area, scene: Scene) -> float:
    """Skin of an area in pixels of the photo."""
    skin = scene.skin
    number, on_face = area
    if scene.owner is not None and scene.facial is not None:
        theirs = (scene.owner == number) & (scene.facial | (not on_face))
        skin = np.where(theirs, skin, np.float32(0))
    return float(skin.mean()) * scene.height * scene.width


def _words(area: Area) -> str:
    number, on_face = area
    if not number:
        return "the skin"
    return f"face {number}" if on_face else f"the skin of person {number}"
