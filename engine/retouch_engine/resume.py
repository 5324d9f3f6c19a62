"""Taking a photo up again where the last run left it: its plan and its heals, kept in the heal layer's file.

A correction names single spots. Finding all spots once more and healing all of them once more to change one
cost as much as the first run, and what came out had to be equal by luck of every library's version. So the
last run's plan lies packed in the XMP of the heal layer, whose samples are the heals. What cannot be
used is never half used: then the photo is done from the beginning, and the record says why.

It holds as well after an update, with other settings, or when something was learned since: with a config that
had become more sensitive, one mole set to *keep* had two other spots healed of which nobody had said a word.
So a plan names the recipe that the photo was begun with, and its corrections are done by that.

The file may have been written by anybody. All of it is checked; what is healed from it again has to pass the
guard and the proof like everything else, and what is taken over lies inside of the masks that it names. Its
recipe can say no more than a folder's ``retouch.toml`` could; which models may be used it does not say.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from retouch_engine.codec.healed import Samples16, read_heals
from retouch_engine.codec.rows import on_16_bit
from retouch_engine.corrections import Correction, Corrections, packed_bits, unpacked_bits
from retouch_engine.errors import EngineError
from retouch_engine.heal import Made
from retouch_engine.imaging.masks import placed
from retouch_engine.recipe import Kind, Recipe
from retouch_engine.sitting import Followed
from retouch_engine.types import Bool, Box, DetectorId, HealerId, Patch, Photo, Spot, Step
from retouch_engine.version import __version__
from retouch_engine.wounds import Outcome

_SCHEMA = "retouchd.plan/2"
_DIGEST, _VERSION = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9A-Za-z.+-]{1,40}")
_MOST_BYTES = 16 << 20
"""A packed plan of some hundred bytes could unpack to anything, and 64 MB of brackets are 1.4 GB of lists."""
_MOST_HELD, _ALWAYS_HELD = 30, 64 << 20
"""Bytes that a plan's masks and patches may take: so many a pixel of the photo, as the whole way takes, and
so many besides. A mask as large as the photo is written in some bytes: a thousand ended the worker."""
_PATCH_BYTES = 7
"""A pixel of a patch: three samples and its mask."""


class NotResumable(Exception):
    """The photo has to be done from the beginning, and why. Never leaves the engine.

    ``recipe`` is the one to do it by: the photo's own, where its plan is sound and only asked for otherwise.
    """

    def __init__(self, why: str, recipe: Recipe | None = None) -> None:
        super().__init__(why)
        self.recipe = recipe


@dataclass(frozen=True, slots=True)
class Begun:
    """With what a photo's spots were found and decided about. Corrections never change it."""

    recipe: Recipe
    """Without what a person set for this photo alone."""
    digest: str
    """The recipe's then: the version and the learned files of then are in it."""
    version: str

    @classmethod
    def now(cls, recipe: Recipe) -> Begun:
        """By this recipe and this engine."""
        return cls(recipe, recipe.digest, __version__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands after a run: the plan, what became of each wound, and which wishes are in it already."""

    steps: tuple[Step, ...]
    outcomes: tuple[Outcome, ...]
    wishes: tuple[Correction, ...]
    detector: DetectorId
    begun: Begun
    notes: tuple[str, ...] = ()
    followed: tuple[Followed, ...] = ()
    """Spots that another photo of the sitting decided about."""


def packed(standing: Standing, photo: Photo, recipe: Recipe) -> bytes:
    """The plan as it lies in the heal layer's file.

    Args:
        standing: what stands; its patches' samples are left out, for the layer has them.
        photo: the source.
        recipe: with this photo's own strength and sensitivity.

    Returns:
        Nothing when it would be larger than what is ever read again.
    """
    told = {
        "schema": _SCHEMA,
        "photo": photo.digest,
        "begun": _begun_told(standing.begun),
        "strength": recipe.strength,
        "sensitivity": recipe.sensitivity,
        "wishes": [wish.as_json() for wish in standing.wishes],
        "detector": standing.detector,
        "notes": list(standing.notes),
        "followed": [asdict(one) for one in standing.followed],
        "steps": [_step_told(step) for step in standing.steps],
        "outcomes": [_outcome_told(o, _later(standing.outcomes, i)) for i, o in enumerate(standing.outcomes)],
    }
    plan = json.dumps(told, default=float).encode("ascii")
    return zlib.compress(plan, 6) if len(plan) < _MOST_BYTES else b""


def resumed(
    path: Path, photo: Photo, recipe: Recipe, corrections: Corrections, healers: Collection[HealerId]
) -> Standing:
    """What the heal layer at ``path`` says of an earlier run of this photo, some wishes ago.

    Without outcomes where this photo's own strength changed since: its spots are to be healed again.

    Args:
        path: a heal layer.
        photo: the source.
        recipe: the one in force, which names the models that may be used; the photo keeps its own.
        corrections: what a person decided since the beginning.
        healers: who may heal.

    Raises:
        NotResumable: it is missing, foreign, damaged, or something else was asked for.
    """
    try:
        memo, samples = read_heals(path, photo)
        told = _unpacked(memo)
        if told["photo"] != photo.digest:
            raise NotResumable("it belongs to other bytes")
        begun = _begun(told["begun"], recipe)
        wishes = tuple(Correction.from_json(wish) for wish in told["wishes"])
        _check_wishes(wishes, corrections.spots, begun)
        as_strong = _as_strong(told, begun, corrections, recipe)
        read = _Reader(photo, samples, healers)
        read.check_size(told)
        return Standing(
            steps=tuple(read.step(step) for step in told["steps"]),
            outcomes=tuple(read.outcome(outcome) for outcome in told["outcomes"]) if as_strong else (),
            wishes=wishes,
            detector=DetectorId(str(told["detector"])),
            begun=begun,
            notes=tuple(str(note) for note in told["notes"]),
            followed=tuple(Followed.from_json(one) for one in told["followed"]),
        )
    except EngineError as error:
        raise NotResumable(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise NotResumable(f"its plan does not read: {type(error).__name__}: {error}") from error


def _unpacked(memo: bytes) -> Mapping[str, Any]:
    if not memo:
        raise NotResumable("it holds no plan: an earlier version wrote it, or it would have been too large")
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(memo, _MOST_BYTES)
    except zlib.error as error:
        raise NotResumable("its plan does not unpack") from error
    if not unpacker.eof:
        raise NotResumable("its plan is cut off or too large")
    try:
        told = json.loads(data)
    except RecursionError:
        raise NotResumable("its plan is nested too deeply") from None
    if not isinstance(told, dict) or told.get("schema") != _SCHEMA:
        raise NotResumable("it holds no plan of this version")
    return told


def _begun(told: Mapping[str, Any], recipe: Recipe) -> Begun:
    own = replace(Recipe.from_json(told["recipe"]), models=recipe.models)
    if not _DIGEST.fullmatch(told["digest"]) or not _VERSION.fullmatch(told["version"]):
        raise NotResumable("its plan does not say what it was begun with")
    return Begun(own, told["digest"], told["version"])


def _as_strong(told: Mapping[str, Any], begun: Begun, corrections: Corrections, recipe: Recipe) -> bool:
    """Whether the heals are as strong as this photo's are to be.

    Raises:
        NotResumable: its sensitivity changed, so that it has to be looked at again; or its strength alone:
            what can be done from the beginning comes out the same whatever was done before.
    """
    own = corrections.applied(begun.recipe)
    if told["sensitivity"] != own.sensitivity:
        raise NotResumable("this photo's own sensitivity changed since", begun.recipe)
    if told["strength"] != own.strength and begun.digest == recipe.digest:
        raise NotResumable("this photo's own strength changed since", begun.recipe)
    return bool(told["strength"] == own.strength)


def _check_wishes(before: Sequence[Correction], now: Sequence[Correction], begun: Begun) -> None:
    """The wishes of then are the first of today, and none of today's belongs to a round of then."""
    last = max((wish.round for wish in before), default=0)
    fresh = now[len(before) :]
    if tuple(now[: len(before)]) != tuple(before) or any(wish.round <= last for wish in fresh):
        raise NotResumable("earlier wishes changed since", begun.recipe)


def _begun_told(begun: Begun) -> dict[str, Any]:
    return {"recipe": begun.recipe.as_json(), "digest": begun.digest, "version": begun.version}


def _later(outcomes: Sequence[Outcome], index: int) -> Sequence[Patch]:
    """The patches that lie over that of an outcome."""
    return [o.patch for o in outcomes[index + 1 :] if o.patch is not None]


def _box_told(box: Box) -> list[int]:
    return [box.y0, box.x0, box.y1, box.x1]


def _mask_told(mask: Bool) -> str:
    return packed_bits(np.packbits(mask).tobytes())


def _step_told(step: Step) -> dict[str, Any]:
    spot = step.spot
    told = {key: getattr(spot, key) for key in ("id", "diameter_px", "score", "reason")}
    return {
        "spot": {
            **told,
            "sure": bool(spot.sure),
            "kind": spot.kind.value,
            "box": _box_told(spot.box),
            "mask": _mask_told(spot.mask),
            "features": dict(spot.features),
        },
        "healers": list(step.healers),
        "box": _box_told(step.box),
        "hole": _mask_told(step.hole),
        "reason": step.reason,
        "review": step.review,
        "wish": step.wish,
    }


def _outcome_told(outcome: Outcome, above: Sequence[Patch]) -> dict[str, Any]:
    return {
        "spots": list(outcome.spot_ids),
        "patch": None if outcome.patch is None else _patch_told(outcome.patch, above),
        "reason": outcome.reason,
        "healer": outcome.healer,
        "figures": dict(outcome.figures),
        "tried": list(outcome.tried),
        "broken": outcome.broken,
        "donors": [_box_told(box) for box in outcome.donors],
        "made": None if outcome.made is None else asdict(outcome.made),
        "troubles": list(outcome.troubles),
    }


def _patch_told(patch: Patch, above: Sequence[Patch]) -> dict[str, Any]:
    told = {"spot": patch.spot_id, "box": _box_told(patch.box), "changed": _mask_told(patch.changed)}
    if any(_covers(other, patch) for other in above):
        # The layer shows the upper one; taking that away brings this one to light.
        own = patch.pixels[patch.changed].astype("<u2").tobytes()
        told["pixels"] = base64.b64encode(zlib.compress(own, 6)).decode("ascii")
    return told


def _covers(upper: Patch, patch: Patch) -> bool:
    met = upper.box.meets(patch.box)
    return met and bool((placed(upper.changed, upper.box, patch.box) & patch.changed).any())


@dataclass(frozen=True, slots=True)
class _Reader:
    """Makes a plan out of plain JSON values; every box inside the photo, every mask of its box's size."""

    photo: Photo
    samples: Callable[[Box], Samples16]
    """The heal layer's colours in a box, ``(h, w, 3)``."""
    known: Collection[HealerId]

    def box(self, told: object) -> Box:
        if not isinstance(told, list) or len(told) != 4 or not all(type(v) is int for v in told):
            raise NotResumable("a box in its plan is no box")
        box = Box(*told)
        if min(box.y0, box.x0) < 0 or box.y1 > self.photo.height or box.x1 > self.photo.width:
            raise NotResumable("a box in its plan lies outside of the photo")
        return box

    def check_size(self, told: Mapping[str, Any]) -> None:
        """Hold what a plan would take in memory against the photo's size, before anything is unpacked."""
        masks = [self.box(one) for step in told["steps"] for one in (step["box"], step["spot"]["box"])]
        patches = [self.box(one["patch"]["box"]) for one in told["outcomes"] if one["patch"] is not None]
        held = _area(masks) + _PATCH_BYTES * _area(patches)
        if held > _MOST_HELD * self.photo.height * self.photo.width + _ALWAYS_HELD:
            raise NotResumable(f"the spots in its plan would take {held >> 20:,} MB, too much for this photo")

    def mask(self, told: str, box: Box) -> Bool:
        count = box.height * box.width
        bits = np.frombuffer(unpacked_bits(told, (count + 7) // 8), np.uint8)
        return np.asarray(np.unpackbits(bits, count=count).reshape(box.height, box.width) > 0)

    def step(self, told: Mapping[str, Any]) -> Step:
        spot, box = told["spot"], self.box(told["box"])
        where = self.box(spot["box"])
        find = Spot(
            id=int(spot["id"]),
            box=where,
            mask=self.mask(spot["mask"], where),
            diameter_px=_finite(spot["diameter_px"]),
            kind=Kind(spot["kind"]),
            score=_finite(spot["score"]),
            sure=bool(spot["sure"]),
            reason=str(spot["reason"]),
            features={str(k): float(v) for k, v in spot["features"].items()},
        )
        healers = tuple(HealerId(name) for name in told["healers"] if name in self.known)
        if told["healers"] and not healers:
            # A model that was removed since is one healer less; without any the spot could not be healed.
            raise NotResumable("its plan names healers that are not known")
        hole, reason = self.mask(told["hole"], box), str(told["reason"])
        return Step(find, healers, hole, box, reason, bool(told["review"]), str(told["wish"]))

    def outcome(self, told: Mapping[str, Any]) -> Outcome:
        return Outcome(
            spot_ids=tuple(int(i) for i in told["spots"]),
            patch=None if told["patch"] is None else self.patch(told["patch"]),
            reason=str(told["reason"]),
            healer=told["healer"],
            figures={str(k): float(v) for k, v in told["figures"].items()},
            tried=tuple(str(t) for t in told["tried"]),
            broken=bool(told["broken"]),
            donors=tuple(self.donor(box) for box in told["donors"]),
            made=None if told["made"] is None else Made(**told["made"]),
            troubles=tuple(str(t) for t in told["troubles"]),
        )

    def donor(self, told: Sequence[int]) -> Box:
        """A donor's box may reach beyond the photo: it is only ever compared with other donors'."""
        return Box(*(int(v) for v in told))

    def patch(self, told: Mapping[str, Any]) -> Patch:
        box = self.box(told["box"])
        changed = self.mask(told["changed"], box)
        pixels = on_16_bit(self.photo.pixels[box.slices])
        if "pixels" in told:
            count = int(np.count_nonzero(changed)) * 3
            data = unpacked_bits(told["pixels"], 2 * count)
            pixels[changed] = np.frombuffer(data, "<u2").reshape(-1, 3)
        else:
            pixels[changed] = self.samples(box)[changed]
        return Patch(int(told["spot"]), box, pixels, changed)


def _area(boxes: Sequence[Box]) -> int:
    return sum(box.height * box.width for box in boxes)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise NotResumable("a figure in its plan is no number")
    return float(value)
