"""Wounds: holes that touch are one problem, and each is walked down the ladder of heals.

Every wound is healed from the photo as it was, with every spot forbidden as a source, so the order in which
they are healed changes nothing and no donor is ever a blemish, a mole or a fresh heal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import cv2
import numpy as np

from retouch_engine import route
from retouch_engine.compose import compose
from retouch_engine.errors import ModelUnusable, NoRoomForModel
from retouch_engine.guard import Yardstick, bands, filtered, repeats, ring_width
from retouch_engine.heal import HEALERS, Heal, Healer, Made, Wound
from retouch_engine.imaging.density import density, encode
from retouch_engine.imaging.masks import bounding_box, diameter, dilated, placed
from retouch_engine.recipe import Kind, Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import Bool, Box, HealerId, Patch, Photo, Samples, Step, Verdict

_STRENGTHS = (1.0, 0.75, 0.5)
_MORE_GRAIN = 1.2
"""What a heal's real texture is raised by when it alone is too clean."""
_SAME = 0.4
"""Share of a donor that two heals side by side may have in common."""
_FILTER_PX = 22
"""Reach of the guard's widest band."""
_CROP = (2.6, 24), (1.6, 44)
"""How far around a hole donors and clean skin are looked for, in its diameters and px: the lesser counts."""
_GROWN = 0.7
"""Of a hole's own extent: one that grew with its halo needs room by what it became."""
_HEAP_SHARE = 1.8
_MOSTLY = 0.5
_CLIPPED_OD = 0.02
"""Whiter than this holds no skin texture."""


@dataclass(frozen=True, slots=True)
class Case:
    """One wound with what the ladder needs: its spots, its healers and the photo's own samples."""

    spot_ids: tuple[int, ...]
    wound: Wound
    healers: tuple[HealerId, ...]
    source: Samples
    asked: bool = False
    """A person asked for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one wound. Without a patch it was left as it was, and ``reason`` says why."""

    spot_ids: tuple[int, ...]
    patch: Patch | None
    reason: str
    healer: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    tried: tuple[str, ...] = ()
    broken: bool = False
    donors: tuple[Box, ...] = ()
    """Where in the photo the heal's skin comes from."""
    made: Made | None = None
    """The model that had a hand in it."""
    troubles: tuple[str, ...] = ()
    """Models that could not be used here, and why."""


def cases(
    photo: Photo,
    scene: Scene,
    steps: Sequence[Step],
    recipe: Recipe,
    done: Collection[tuple[int, ...]] = (),
) -> list[Callable[[], Case]]:
    """What makes one case for each heap of touching holes of a plan, in reading order; a crop is large.

    Heaps of the very spots that ``done`` names are left out.
    """
    return [
        partial(_case, photo, scene, steps, heap, recipe)
        for heap in _heaps([s for s in steps if s.healers])
        if tuple(s.spot.id for s in heap) not in done
    ]


def standing(outcomes: Sequence[Outcome], steps: Sequence[Step]) -> tuple[Outcome, ...]:
    """The outcomes whose heap is in this plan as it was."""
    heaps = {tuple(s.spot.id for s in heap) for heap in _heaps([s for s in steps if s.healers])}
    return tuple(outcome for outcome in outcomes if outcome.spot_ids in heaps)


def _heaps(steps: Sequence[Step]) -> list[list[Step]]:
    """Steps whose holes touch, together."""
    heaps: list[list[Step]] = []
    for step in steps:
        touching = [h for h in heaps if any(_touch(step, other) for other in h)]
        merged = [step, *(s for h in touching for s in h)]
        heaps = [h for h in heaps if h not in touching]
        heaps.append(sorted(merged, key=lambda s: s.spot.id))
    return sorted(heaps, key=lambda h: h[0].spot.id)


def _touch(a: Step, b: Step) -> bool:
    if not a.box.meets(b.box):
        return False
    return bool((placed(a.hole, a.box, b.box) & b.hole).any())


def _case(photo: Photo, scene: Scene, steps: Sequence[Step], heap: list[Step], recipe: Recipe) -> Case:
    inner = route.bounds(heap)
    size = max(s.spot.diameter_px for s in heap)
    # A heap of many small spots needs room to be moved by its own size.
    grown = max(size, _GROWN * max(max(s.box.height, s.box.width) for s in heap))
    margin = max(min(a * grown + b for a, b in _CROP), _HEAP_SHARE * max(inner.height, inner.width))
    box = inner.grown(int(min(max(margin, 50), 900)), photo.height, photo.width)
    source = photo.pixels[box.slices]
    od = density(source)
    hole = _union([(s.hole, s.box) for s in heap], box)
    others = [(s.hole, s.box) for s in steps if s not in heap and s.box.meets(box)]
    # What stays must not be healed over, not even at its edge.
    hole &= ~_union(_staying(steps, heap, box), box)
    # Of a hole that a person cut the rest of the spot is no skin to heal from.
    spots = [(s.spot.mask, s.spot.box) for s in heap]
    forbid = ~_skin(scene, box, heap, hole) | _clipped(source) | _union([*others, *spots], box)
    wound = Wound(od, hole, forbid & ~hole, box, max(size, diameter(hole)), recipe.seed, _inner(hole))
    return Case(tuple(s.spot.id for s in heap), wound, heap[0].healers, source, _asked(heap))


def _clipped(source: Samples) -> Bool:
    """Where a channel is so white that no texture is left."""
    # One comparison of samples for a tenth of what three of densities cost; the bound is exact to a sample.
    darkest = _DARKEST[source.dtype]
    if int(source.max()) <= darkest:
        return np.zeros(source.shape[:2], dtype=np.bool_)
    below = cv2.inRange(source, (0, 0, 0), (darkest,) * 3)
    return np.asarray(below == 0)


def _darkest(dtype: type[np.unsignedinteger]) -> int:
    """The last sample that is not clipped."""
    return int(np.ceil(float(encode(np.array(_CLIPPED_OD, np.float32))) * np.iinfo(dtype).max)) - 1


_DARKEST = {np.dtype(kind): _darkest(kind) for kind in (np.uint8, np.uint16)}


def _staying(steps: Sequence[Step], heap: Sequence[Step], box: Box) -> list[tuple[Bool, Box]]:
    """The spots near a heap that stay; a find that nobody asked about does not stop what a person painted."""
    asked = _asked(heap)
    others = (s for s in steps if s not in heap and s.box.meets(box) and (s.wish or not asked))
    return [(s.spot.mask, s.spot.box) for s in others]


def _asked(heap: Sequence[Step]) -> bool:
    """Whether a person asked for every heal of a heap."""
    return all(s.spot.kind is Kind.PAINTED or s.wish for s in heap)


def _skin(scene: Scene, box: Box, heap: Sequence[Step], hole: Bool) -> Bool:
    """Skin in the crop. Where a person painted, that person knows: what lies around counts as skin."""
    skin = scene.skin_in(box)
    if not _asked(heap):
        return skin
    width = ring_width(hole)
    near = bounding_box(hole).grown(width, *hole.shape).slices
    if skin[near].all():
        return skin
    around = dilated(hole[near], width) & ~hole[near]
    if np.count_nonzero(skin[near] & around) < _MOSTLY * np.count_nonzero(around):
        return np.ones_like(skin)
    return skin


def _inner(hole: Bool) -> Box:
    """The hole with room for the ring that it is compared with and for the widest filter.

    Its corner is even, so that crop and box are halved into the same cells.
    """
    box = bounding_box(hole).grown(ring_width(hole) + _FILTER_PX, *hole.shape)
    return replace(box, y0=box.y0 // 2 * 2, x0=box.x0 // 2 * 2)


def _union(parts: Sequence[tuple[Bool, Box]], box: Box) -> Bool:
    total = np.zeros((box.height, box.width), dtype=np.bool_)
    for mask, where in parts:
        total |= placed(mask, where, box)
    return total


@dataclass(frozen=True)
class Bench:
    """Where the heals of one wound are laid in and measured."""

    case: Case

    @cached_property
    def yardstick(self) -> Yardstick:
        """What clean skin of the hole's shape looks like in this crop."""
        wound = self.case.wound
        calm = wound.calm is wound.od
        before = filtered(wound.od, wound.fine, wound.edges) if calm else bands(wound.calm)
        return Yardstick.of(before, wound.hole, wound.dirty, wound.seed)

    def composed(self, heal: Heal, strength: float) -> Patch | None:
        """The heal laid in at a strength."""
        wound, cut = self.case.wound, self.case.wound.inner.slices
        where = _in_photo(wound)
        own = (wound.od[cut], self.case.source[cut], wound.low)
        layers = (heal.low_delta, heal.high, heal.support)
        return compose(self.case.spot_ids[0], where, own, layers, strength)

    def verdict(self, patch: Patch) -> Verdict:
        """Judge the patch as it will be written, rounding included."""
        wound = self.case.wound
        od = np.array(wound.calm[wound.inner.slices])
        cut = patch.box.within(_in_photo(wound)).slices
        od[cut] = np.where(patch.changed[..., None], density(patch.pixels), od[cut])
        corner = np.array([[wound.inner.y0, wound.inner.x0]], dtype=np.intp)
        return self.yardstick.verdict(bands(od), -corner)


def _in_photo(wound: Wound) -> Box:
    """The wound's inner box in pixels of the photo."""
    i, b = wound.inner, wound.box
    return Box(b.y0 + i.y0, b.x0 + i.x0, b.y0 + i.y1, b.x0 + i.x1)


def healed(case: Case, recipe: Recipe, healers: Mapping[HealerId, Healer] = HEALERS) -> Outcome:
    """Walk the ladder: next donor, other healer, less low-band strength, and then leave the spot."""
    troubles: list[str] = []
    try:
        outcome = _walked(case, recipe, healers, troubles)
    finally:
        case.wound.forget()
    return replace(outcome, troubles=tuple(troubles)) if troubles else outcome


def _walked(case: Case, recipe: Recipe, healers: Mapping[HealerId, Healer], troubles: list[str]) -> Outcome:
    if recipe.strength == 0:
        return Outcome(case.spot_ids, None, "strength is 0")
    if not case.asked and case.wound.crossed:
        return Outcome(case.spot_ids, None, "a hair lies across it, and healing would cut the hair")
    bench = Bench(case)
    if not bench.yardstick.usable:
        return Outcome(case.spot_ids, None, "no clean skin around it to compare with")
    tried: list[str] = []
    first: Heal | None = None
    for healer_id in case.healers:
        for heal in _offered(healers[healer_id], case.wound, troubles):
            first = first or heal
            outcome = _attempt(bench, heal, 1.0, recipe, tried)
            if outcome is not None:
                return outcome
    for weaker in _STRENGTHS[1:]:
        outcome = None if first is None else _attempt(bench, first, weaker, recipe, tried)
        if outcome is not None:
            return outcome
    reason = (
        f"no heal passed the guard: {', '.join(tried)}" if tried else "no clean skin near enough to heal from"
    )
    return Outcome(case.spot_ids, None, reason, tried=tuple(tried))


def _offered(healer: Healer, wound: Wound, troubles: list[str]) -> Iterator[Heal]:
    """A healer's attempts; a model that cannot be used ends them, and the next healer has its turn."""
    try:
        yield from healer.attempts(wound)
    except (NoRoomForModel, ModelUnusable) as error:
        troubles.append(f"healed without {healer.spec.id}: {error}")


def _attempt(bench: Bench, heal: Heal, strength: float, recipe: Recipe, tried: list[str]) -> Outcome | None:
    """One rung; None when the guard refused it.

    The guard sees the whole heal: who asks for half of it asks for what the guard calls residual, and at
    recipes below 70 it had refused nearly everything. What half of a heal must not lose, its texture, is the
    compositor's promise.
    """
    if repeats(heal.donors, bench.case.wound.diameter_px):
        tried.append(f"{heal.healer}@{strength:.2f}: repeat")
        return None
    asked = strength * recipe.strength / 100
    for grain in (1.0, _MORE_GRAIN):
        grained = heal if grain == 1 else replace(heal, high=heal.high * np.float32(grain))
        patch = bench.composed(grained, strength)
        if patch is None:
            return None
        verdict = bench.verdict(patch)
        if verdict.accepted:
            patch = patch if asked == strength else bench.composed(grained, asked)
            figures = {**verdict.figures, "strength": round(asked, 3), "grain": grain}
            donors = _donors(bench.case.wound, heal)
            ids = bench.case.spot_ids
            return Outcome(
                ids, patch, "healed", heal.healer, figures, tuple(tried), donors=donors, made=heal.made
            )
        tried.append(f"{heal.healer}@{strength:.2f}: {verdict.failed}")
        if verdict.failed != "plastic":
            return None
    return None


def _donors(wound: Wound, heal: Heal) -> tuple[Box, ...]:
    """The boxes of the photo that the heal's skin comes from."""
    y, x = wound.box.y0, wound.box.x0
    hole = wound.hole_box
    return tuple(
        Box(hole.y0 + y + dy, hole.x0 + x + dx, hole.y1 + y + dy, hole.x1 + x + dx) for dy, dx in heal.donors
    )


def apart(
    made_by: Iterable[Callable[[], Case]],
    outcomes: Sequence[Outcome],
    recipe: Recipe,
    before: Sequence[Outcome] = (),
    healers: Mapping[HealerId, Healer] = HEALERS,
) -> tuple[Outcome, ...]:
    """Heal again, from elsewhere, what a neighbour was healed from too: two of a kind side by side are seen.

    Args:
        made_by: makes the wounds, in the order of ``outcomes``, where something is to be done again.
        outcomes: what became of them.
        recipe: how to heal.
        before: what stands already and is not done again.
        healers: who may heal.
    """
    first = len(before)
    done = [*before, *outcomes]
    again = {i for i in range(first, len(done)) if any(_twins(done[i], other) for other in done[:i])}
    for i, make in enumerate(made_by, first):
        if i in again:
            case = make()
            taken = [
                box for k, o in enumerate(done) if k != i for box in o.donors if box.meets(case.wound.box)
            ]
            second = healed(_without(case, taken), recipe, healers)
            done[i] = second if second.patch is not None else done[i]
    return tuple(done[first:])


def _twins(one: Outcome, other: Outcome) -> bool:
    """Whether two heals that lie close together show the same skin."""
    if one.patch is None or other.patch is None:
        return False
    reach = 3 * max(one.patch.box.width, one.patch.box.height)
    around = one.patch.box
    wide = Box(around.y0 - reach, around.x0 - reach, around.y1 + reach, around.x1 + reach)
    return wide.meets(other.patch.box) and any(
        _shared(a, b) > _SAME for a in one.donors for b in other.donors
    )


def _shared(a: Box, b: Box) -> float:
    """How much of the smaller box lies in the other."""
    if not a.meets(b):
        return 0.0
    common = (min(a.y1, b.y1) - max(a.y0, b.y0)) * (min(a.x1, b.x1) - max(a.x0, b.x0))
    return common / min(a.width * a.height, b.width * b.height)


def _without(case: Case, taken: Sequence[Box]) -> Case:
    """The same wound with some boxes of the photo forbidden as sources."""
    wound = case.wound
    forbid = wound.forbid.copy()
    for box in taken:
        forbid |= placed(np.ones((box.height, box.width), dtype=np.bool_), box, wound.box)
    return replace(case, wound=replace(wound, forbid=forbid & ~wound.hole))
