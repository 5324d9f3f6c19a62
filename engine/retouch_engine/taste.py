"""Learning a studio's own taste from its before and after pairs, and from what was corrected by hand.

What the retoucher removed is read from the spots' own contrast, not from a difference of pictures: the photo
before is given the tones of the photo after (a curve fitted on skin), and a spot of which less than half its
contrast to the skin around it is left was healed. So a grade over the whole picture teaches nothing. The
odds of the shipped trees are then fitted to what was done (logistic regression that is held to changing
nothing), and judged on photos that the fit has not seen.

Only what guards nothing permanent is learned; see :mod:`retouch_engine.calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.calibration import KINDS, Calibration, log_odds
from retouch_engine.codec.read import read_photo
from retouch_engine.detect import chosen, named_again
from retouch_engine.errors import EngineError, NotEnoughToLearn, PairMismatch
from retouch_engine.imaging.density import density
from retouch_engine.imaging.masks import dilated, placed
from retouch_engine.recipe import PERMANENT, Kind, Limits, Recipe
from retouch_engine.survey import Scene, survey
from retouch_engine.types import Box, Float, Photo, Samples, Spot

LEAST_PHOTOS, LEAST_EACH = 8, 20
"""Photos, and spots that were healed, and that were left, from which something is learned."""
_HEALED, _LEFT = 0.45, 0.75
"""Share of a spot's contrast that is left, up to which it was healed, and from which it was left alone."""
_LEAST_RISE = 0.04
"""Contrast in optical density below which nobody can tell whether it is gone."""
_LONG_PX = 1024
_MOST_SHIFT = 0.002
"""Of the long side: pictures that are shifted by more are not laid over each other."""
_LEAST_ALIKE = 0.9
_FOLDS = 5
_HOLD = (8.0, 2.0, 4.0)
"""How firmly slope, bias and each kind's offset are held to changing nothing."""
_SENSITIVITY = 50
Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One spot that somebody decided about: in which photo, its figures, whether it was healed."""

    photo: str
    figures: Mapping[str, float]
    healed: bool


def learn(
    pairs: Iterable[tuple[Path, Path]],
    corrected: Iterable[tuple[str, Mapping[str, Any]]],
    limits: Limits,
) -> dict[str, Any]:
    """See :func:`retouch_engine.learn`."""
    lessons, left_out, used = [], {}, 0
    for before, after in pairs:
        try:
            lessons += lessons_of(before, after, limits)
            used += 1
        except EngineError as error:
            left_out[before.name] = str(error)
    by_hand = [lesson for photo, told in corrected if (lesson := lesson_by_hand(photo, told))]
    lessons += by_hand
    healed = sum(lesson.healed for lesson in lessons)
    photos = len({lesson.photo for lesson in lessons})
    about = {"photos": photos, "healed": healed, "left": len(lessons) - healed, "corrected": len(by_hand)}
    if photos < LEAST_PHOTOS or min(healed, len(lessons) - healed) < LEAST_EACH:
        raise NotEnoughToLearn(about, (LEAST_PHOTOS, LEAST_EACH), left_out)
    before_, after_ = judged(lessons)
    made = fitted(lessons)
    return {
        "calibration": dict(made.as_pairs()),
        "learned_from": about | {"pairs": used},
        "before": before_,
        "after": after_,
        "better": after_["log_loss"] < before_["log_loss"],
        "left_out": left_out,
    }


def lessons_of(before: Path, after: Path, limits: Limits) -> list[Lesson]:
    """What one pair teaches.

    Raises:
        PairMismatch: the two are not the same picture, or not of the same size.
        EngineError: one of them cannot be read.
    """
    one, two = read_photo(before, limits), read_photo(after, limits, ours=True)
    _check_alike(before, one, two)
    scene = survey(one)
    spots = chosen(scene).detect(one, scene, Recipe())
    curve = _curve(one, two, scene)
    lessons = []
    for spot in spots:
        share = _left_share(one, two, spot, spots, curve) if _teaches(spot.kind, spot.features) else None
        if share is not None and not _HEALED < share < _LEFT:
            lessons.append(Lesson(before.name, spot.features, share <= _HEALED))
    return lessons


def lesson_by_hand(photo: str, told: Mapping[str, Any]) -> Lesson | None:
    """What a correction teaches, which anybody could have written; None when it teaches nothing."""
    features, kind = told.get("features"), told.get("kind")
    if not isinstance(features, Mapping) or kind not in list(Kind):
        return None
    figures = {k: float(v) for k, v in features.items() if type(v) in {int, float} and math.isfinite(v)}
    wishes = {"heal": True, "keep": False, "reject": False}
    if told.get("wish") not in wishes or not _teaches(Kind(kind), figures):
        return None
    try:
        named_again(figures, _SENSITIVITY, Calibration())
    except KeyError:  # written by a version that knew other figures
        return None
    return Lesson(photo, figures, wishes[told["wish"]])


def _teaches(kind: Kind, figures: Mapping[str, float]) -> bool:
    """Whether a spot's odds count: it is nothing permanent, has an outline, and trees gave it odds."""
    return kind not in PERMANENT and {"odds_blemish", "odds_permanent", "melanin"} <= set(figures)


def _check_alike(path: Path, one: Photo, two: Photo) -> None:
    if (one.height, one.width) != (two.height, two.width):
        sizes = f"{one.width} x {one.height} px before, {two.width} x {two.height} px after"
        raise PairMismatch(path, f"{sizes}; export both at the same size and turned alike")
    small = [_small(photo) for photo in (one, two)]
    window = cv2.createHanningWindow((small[0].shape[1], small[0].shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(small[0], small[1], window)
    shift = math.hypot(x, y) / max(small[0].shape)
    if shift > _MOST_SHIFT:
        moved = shift * max(one.height, one.width)
        raise PairMismatch(path, f"shifted by about {moved:.0f} px: cropped or straightened in between")
    alike = float(np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1])
    if not alike >= _LEAST_ALIKE:
        raise PairMismatch(path, f"the two look different (correlation {alike:.2f}): another picture?")


def _small(photo: Photo) -> Float:
    """Optical density of the green channel, its long side at most 1,024 px."""
    shrink = min(1.0, _LONG_PX / max(photo.height, photo.width))
    size = (max(1, round(photo.width * shrink)), max(1, round(photo.height * shrink)))
    small = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(density(cast("Samples", small))[..., 1])


def _curve(one: Photo, two: Photo, scene: Scene) -> Table:
    """The green channel's density after over that before: a parabola on skin, fitted twice for outliers."""
    a, b = _small(one), _small(two)
    skin = cv2.resize(scene.skin, (a.shape[1], a.shape[0])) > 0.5
    x, y = a[skin].astype(np.float64), b[skin].astype(np.float64)
    if x.size < 500:
        return np.array([0.0, 1.0, 0.0])
    curve = np.polyfit(x, y, 2)
    off = np.abs(y - np.polyval(curve, x))
    inner = off <= np.percentile(off, 90)
    return np.asarray(np.polyfit(x[inner], y[inner], 2))


def _left_share(one: Photo, two: Photo, spot: Spot, spots: Sequence[Spot], curve: Table) -> float | None:
    """How much of a spot's contrast to the skin around it is left; None where that cannot be told."""
    reach = max(3, round(0.7 * spot.diameter_px))
    box = spot.box.grown(2 * reach, one.height, one.width)
    inside = placed(spot.mask, spot.box, box)
    others = np.zeros_like(inside)
    for other in spots:
        if other.id != spot.id and other.box.meets(box):
            others |= placed(other.mask, other.box, box)
    ring = dilated(inside, 2 * reach) & ~dilated(inside, max(2, reach // 2)) & ~dilated(others, 2)
    if np.count_nonzero(ring) < 20:
        return None
    was, now = _green(one, box), _green(two, box)
    toned = np.polyval(curve, was)
    before = float(toned[inside].mean() - np.median(toned[ring]))
    after = float(now[inside].mean() - np.median(now[ring]))
    return None if abs(before) < _LEAST_RISE else after / before


def _green(photo: Photo, box: Box) -> Float:
    cut = np.ascontiguousarray(photo.pixels[box.slices])
    return density(cast("Samples", cut))[..., 1]


def _table(lessons: Sequence[Lesson]) -> tuple[Table, NDArray[np.float64]]:
    """Log odds, one, and one column a kind; and what was done."""
    rows = []
    for lesson in lessons:
        finding = _named(lesson, Calibration())
        kind = finding[0] if finding else Kind.UNKNOWN
        rows.append([log_odds(lesson.figures["odds_blemish"]), 1.0, *(float(kind is k) for k in KINDS)])
    return np.array(rows), np.array([float(lesson.healed) for lesson in lessons])


def fitted(lessons: Sequence[Lesson]) -> Calibration:
    """The calibration that these lessons ask for: Newton's method, held to changing nothing."""
    table, done = _table(lessons)
    start = np.zeros(table.shape[1])
    start[0] = 1.0
    hold = np.array([*_HOLD[:2], *([_HOLD[2]] * len(KINDS))])
    weights = start.copy()
    for _ in range(50):
        odds = 1 / (1 + np.exp(-(table @ weights)))
        slope = table.T @ (odds - done) + hold * (weights - start)
        bend = (table.T * (odds * (1 - odds))) @ table + np.diag(hold)
        step = np.linalg.solve(bend, slope)
        weights -= np.clip(step, -1, 1)
        if float(np.abs(step).max()) < 1e-8:
            break
    steep = float(np.clip(weights[0], 0.2, 5.0))
    bias, *offsets = (float(v) for v in np.clip(weights[1:], -4.0, 4.0))
    return Calibration(steep, bias, {k: v for k, v in zip(KINDS, offsets, strict=True) if round(v, 4)})


def judged(lessons: Sequence[Lesson]) -> tuple[dict[str, float], dict[str, float]]:
    """Precision, recall and log loss, shipped and learned; each photo by a fit that has not seen it."""
    photos = sorted({lesson.photo for lesson in lessons})
    fold = {photo: i % _FOLDS for i, photo in enumerate(photos)}
    shipped, learned = Calibration(), {}
    for number in range(min(_FOLDS, len(photos))):
        learned[number] = fitted([lesson for lesson in lessons if fold[lesson.photo] != number])
    ways = ([shipped] * len(lessons), [learned[fold[lesson.photo]] for lesson in lessons])
    before, after = (
        _figures(
            [(lesson, _sure(lesson, t), _loss(lesson, t)) for lesson, t in zip(lessons, way, strict=True)]
        )
        for way in ways
    )
    return before, after


def _figures(told: Sequence[tuple[Lesson, bool, float]]) -> dict[str, float]:
    right = sum(lesson.healed and sure for lesson, sure, _ in told)
    return {
        "precision": round(right / max(1, sum(sure for _, sure, _ in told)), 4),
        "recall": round(right / max(1, sum(lesson.healed for lesson, _, _ in told)), 4),
        "unasked": sum(sure for _, sure, _ in told),
        "log_loss": round(sum(loss for *_, loss in told) / len(told), 5),
    }


def _named(lesson: Lesson, taste: Calibration) -> tuple[Kind, bool] | None:
    finding = named_again(lesson.figures, _SENSITIVITY, taste)
    return (finding.kind, finding.sure) if finding else None


def _sure(lesson: Lesson, taste: Calibration) -> bool:
    """Whether it would be healed unasked."""
    named = _named(lesson, taste)
    return named is not None and named[1]


def _loss(lesson: Lesson, taste: Calibration) -> float:
    named = _named(lesson, Calibration())
    odds = taste.odds(lesson.figures["odds_blemish"], named[0] if named else Kind.UNKNOWN)
    odds = min(1 - 1e-6, max(1e-6, odds))
    return -math.log(odds if lesson.healed else 1 - odds)
