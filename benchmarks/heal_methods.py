"""Whom the healing benchmark asks: our ladder, each of our healers alone, and every peer that is installed.

A method takes a case and gives the whole crop back, RGB, 16 bit when it is ours and 8 bit when it is a
peer: the peers know no more. Peers get the hole as a mask and nothing else, as their users would call them.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from benchmarks.heal_cases import Case, Float

from retouch_engine import Model, Recipe, growth, route
from retouch_engine.budget import CPU, Plan, Use
from retouch_engine.heal import HEALERS, Healer, healers_of
from retouch_engine.imaging.masks import bounding_box, distance_inside
from retouch_engine.learned import networks_run
from retouch_engine.pool import Hands, Pool
from retouch_engine.runtime import load
from retouch_engine.types import HealerId, Patch, Photo, Samples
from retouch_engine.wounds import Bench, cases, healed
from retouchd.models import manifest

Method = Callable[[Case], Samples | None]
"""None: it declined, or its guard did."""
RECIPE = Recipe()
_TAKES = {h: healer.spec.takes for h, healer in HEALERS.items()}


def methods() -> Mapping[str, Method]:
    """Every method by name, ours first."""
    ours = {"retouchd": ladder, **{f"- {h.spec.id}": _alone(h) for h in HEALERS.values()}}
    if networks_run():
        ours["- rethined"] = _alone(_rethined())
    peers: dict[str, Method] = {
        "Telea": _eight(lambda c, m: _cv_inpaint(c, m, cv2.INPAINT_TELEA)),
        "Navier-Stokes": _eight(lambda c, m: _cv_inpaint(c, m, cv2.INPAINT_NS)),
    }
    if importlib.util.find_spec("skimage"):
        peers["biharmonic"] = _eight(_biharmonic)
    if importlib.util.find_spec("patchmatch"):
        peers["PatchMatch"] = _eight(_patchmatch)
        peers["PatchMatch + NORMAL_CLONE"] = _eight(lambda c, m: _cloned(c, m, cv2.NORMAL_CLONE))
        peers["PatchMatch + MIXED_CLONE"] = _eight(lambda c, m: _cloned(c, m, cv2.MIXED_CLONE))
    if importlib.util.find_spec("gmic"):
        peers["G'MIC matchpatch"] = _eight(_gmic)
    controls: dict[str, Method] = {"control: half opacity": _half, "control: wide feather": _wide_feather}
    return {**ours, **peers, **controls}


def _rethined() -> Healer:
    """The network that comes with the program, on one thread of the processor."""
    known = manifest("rethined")
    assert known.own_copy
    told = known.model_dump(
        include={"id", "healer", "licence", "commercial", "precision", "rest_mb", "peak_mb", "contract"}
    )
    model = Model(folder=known.own_copy.parent, digest="", files=(known.own_copy.name,), **told)
    use = Use(model, CPU, model.precision, offload=False, rest_mb=model.rest_mb, peak_mb=model.peak_mb)
    pool = Pool(Hands(load, lambda _: None, time.monotonic), 0, 3600.0)
    return healers_of(Plan("", "", (use,), ()), pool)[HealerId(model.healer)]


def ladder(case: Case, recipe: Recipe = RECIPE) -> Samples | None:
    """The engine as it is: route, growth, wound, heal, compose, guard, and the way back."""
    photo = Photo(case.spoilt)
    steps = route.plan([case.spot], recipe, _TAKES, case.scene)
    steps = growth.grown(photo, case.scene, steps)
    (cut,) = cases(photo, case.scene, steps, recipe)
    outcome = healed(cut(), recipe)
    return None if outcome.patch is None else _laid(case.spoilt, outcome.patch)


def _alone(healer: Healer) -> Method:
    """The healer's first heal, at full strength, unjudged."""

    def method(case: Case) -> Samples | None:
        photo = Photo(case.spoilt)
        steps = route.plan([case.spot], RECIPE, _TAKES, case.scene)
        (cut,) = cases(photo, case.scene, steps, RECIPE)
        wound = cut()
        heal = next(iter(healer.attempts(wound.wound)), None)
        patch = None if heal is None else Bench(wound).composed(heal, 1.0)
        return None if patch is None else _laid(case.spoilt, patch)

    return method


def passes(case: Case, result: Samples) -> bool:
    """Whether the engine's guard would let this result through."""
    photo = Photo(case.spoilt)
    (cut,) = cases(photo, case.scene, route.plan([case.spot], RECIPE, _TAKES, case.scene), RECIPE)
    box = bounding_box(case.hole)
    wide = result.astype(np.uint16) * np.uint16(257 if result.dtype == np.uint8 else 1)
    patch = Patch(1, box, wide[box.slices].copy(), case.hole[box.slices].copy())
    return Bench(cut()).verdict(patch).accepted


def _half(case: Case) -> Samples | None:
    """A control: the donor's heal at half opacity over the blemish."""
    return _mixed(case, np.full(case.hole.shape, 0.5, np.float32))


def _wide_feather(case: Case) -> Samples | None:
    """A control: the donor's heal over clean skin, cross-faded over a third of the hole."""
    depth = distance_inside(case.hole)
    width = max(1.0, 0.66 * float(depth.max()))
    return _mixed(replace(case, spoilt=case.truth), np.clip(depth / width, 0, 1))


def _mixed(case: Case, share: Float) -> Samples | None:
    healed = _alone(HEALERS[HealerId("donor")])(case)
    if healed is None:
        return None
    own = case.spoilt.astype(np.float32) * (257 if case.spoilt.dtype == np.uint8 else 1)
    share = np.where(case.hole, share, 0)[..., None]
    return np.asarray(np.rint(own + share * (healed - own)).astype(np.uint16))


def _laid(source: Samples, patch: Patch) -> Samples:
    out = source.astype(np.uint16) * np.uint16(257 if source.dtype == np.uint8 else 1)
    out[patch.box.slices] = patch.pixels
    return out


def _eight(fill: Callable[[Samples, Samples], Samples]) -> Method:
    """An 8-bit method; the mask is 255 in the hole."""

    def method(case: Case) -> Samples:
        crop = case.spoilt if case.spoilt.dtype == np.uint8 else (case.spoilt // 257).astype(np.uint8)
        return fill(crop.copy(), case.hole.astype(np.uint8) * 255)

    return method


def _cv_inpaint(crop: Samples, mask: Samples, how: int) -> Samples:
    return np.asarray(cv2.inpaint(crop, mask, 5, how))  # noqa: TID251 - measured here, not used


def _biharmonic(crop: Samples, mask: Samples) -> Samples:
    from skimage.restoration import inpaint_biharmonic

    whole = inpaint_biharmonic(crop, mask > 0, channel_axis=-1)
    return np.asarray(np.rint(np.clip(whole, 0, 1) * 255).astype(np.uint8))


def _patchmatch(crop: Samples, mask: Samples) -> Samples:
    import patchmatch

    return np.asarray(patchmatch.inpaint(crop, mask, patch_size=3))


def _cloned(crop: Samples, mask: Samples, how: int) -> Samples:
    """The fill, cloned into the blemished photo through the same mask."""
    x, y, w, h = cv2.boundingRect(mask)
    centre = (x + w // 2, y + h // 2)
    fill = _patchmatch(crop, mask)
    return np.asarray(cv2.seamlessClone(fill, crop, mask.copy(), centre, how))  # noqa: TID251 - measured here


def _gmic(crop: Samples, mask: Samples) -> Samples:
    gmic = importlib.import_module("gmic")  # its stubs do not parse
    images = [gmic.Image.from_yxc(a.astype(np.float32)) for a in (crop, mask[..., None])]
    # The list that goes in is left as it was.
    done = gmic.run("v - inpaint_matchpatch[0] [1],0,9,10,5,1", images)
    return np.asarray(np.clip(np.rint(np.asarray(done[0].yxc)), 0, 255).astype(np.uint8))
