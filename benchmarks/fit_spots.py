"""Fit the trees that judge every find, on people whom the network had not seen, and say how good they are.

    python -m benchmarks.fit_spots DATA_DIR --networks DIR [--write]

``DIR`` holds the networks that ``benchmarks.train_spots`` and ``benchmarks.train_judge`` made, one of each
for each fold. Every photo is looked at with the networks that have not seen its person, at two sizes; the
trees are then fitted without each fold in turn, so that the figures printed are of people whom none had seen,
and once on everybody, which is what ships. Second photos of the same people teach, and are counted apart.
Writes ``DIR/spots.FOLD.json`` for ``benchmarks.detect --held-out``. Needs scikit-learn; seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.fit_verifier import exported
from benchmarks.spot_finds import SCALES, Row, looked_at, with_verdicts
from benchmarks.spot_labels import FOLDS, Portrait, folds, portraits, second_photos
from numpy.typing import NDArray

from retouch_engine.detect.learned import LIKELY_PERMANENT, Bars, named_find
from retouch_engine.detect.trees import FIGURES, MODEL_PATH, row
from retouch_engine.recipe import PERMANENT

ROUNDS = 100
_MORE_BLEMISH = ("blemish_most", "blemish_mean", "judged_blemish")
_MORE_PERMANENT = ("permanent_most", "permanent_mean", "judged_permanent")
Judged = NDArray[np.float64]


def _model(sort: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    way = 1 if sort == "blemish" else -1
    signs = dict.fromkeys(_MORE_BLEMISH, way) | dict.fromkeys(_MORE_PERMANENT, -way)
    return HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        learning_rate=0.05,
        max_leaf_nodes=6,
        min_samples_leaf=30,
        l2_regularization=8.0,
        monotonic_cst=[signs.get(f, 0) for f in FIGURES],
        random_state=0,
    )


def fitted(rows: list[Row], sort: str) -> Any:
    """Trees that tell one sort of mark from the rest; doubtful spots teach nothing."""
    told = [r for r in rows if r.label not in {"ignore", "fine"}]
    return _model(sort).fit(
        np.array([row(r.figures) for r in told]), np.array([r.label == sort for r in told])
    )


def written(models: dict[str, Any], path: Path, about: str) -> None:
    """Both sets of trees as one file."""
    content: dict[str, Any] = {"schema": "retouchd.spots/1", "features": list(FIGURES), "fitted_on": about}
    for sort, name in (("blemish", "blemish"), ("keep", "permanent")):
        base = round(float(models[sort]._baseline_prediction.ravel()[0]), 5)  # noqa: SLF001 - as its trees
        content[name] = {"base": base, "trees": exported(models[sort])}
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


def judged(rows: list[Row], fold: dict[str, int], networks: Path) -> tuple[Judged, Judged]:
    """For each row the odds by trees that never saw its person; the folds' trees are written beside."""
    odds = {"blemish": np.zeros(len(rows)), "keep": np.zeros(len(rows))}
    which = np.array([fold[r.person] for r in rows])
    for number in range(FOLDS):
        seen = [r for r, f in zip(rows, which, strict=True) if f != number]
        asked = np.array([row(r.figures) for r, f in zip(rows, which, strict=True) if f == number])
        models = {sort: fitted(seen, sort) for sort in odds}
        for sort, model in models.items():
            odds[sort][which == number] = model.predict_proba(asked)[:, 1]
        written(models, networks / f"spots.{number}.json", f"{len(seen)} finds, without fold {number}")
    return odds["blemish"], odds["keep"]


def _fates(rows: list[Row], heal: Judged, keep: Judged, bars: Bars) -> list[str]:
    fates = []
    # One person a photo: whatever is likely permanent there is company.
    company = Counter((r.photo, r.scale) for r, k in zip(rows, keep, strict=True) if k >= LIKELY_PERMANENT)
    for r, h, k in zip(rows, heal.tolist(), keep.tolist(), strict=True):
        finding = named_find(r.figures | {"company": float(company[r.photo, r.scale])}, h, k, bars)
        fate = "left" if finding is None or finding.kind in PERMANENT else "offered"
        fates.append("healed" if finding is not None and finding.sure else fate)
    return fates


def report(rows: list[Row], fates: list[str], photos: Sequence[Portrait]) -> str:
    """What becomes of marks and finds in these photos at their own size."""
    text, n, names = "", len(photos), {p.path.name for p in photos}
    sorts = {sort: sum(len(p.marks(sort)) for p in photos) for sort in ("blemish", "keep")}
    for fate in ("healed", "offered"):
        mine = [
            r for r, f in zip(rows, fates, strict=True) if r.scale == 1 and f == fate and r.photo in names
        ]
        marks = {s: len({(r.photo, r.mark) for r in mine if r.label == s}) for s in sorts}
        false, doubtful = (sum(r.label == label for r in mine) / n for label in ("nothing", "ignore"))
        text += (
            f"{fate}: {marks['blemish']} of {sorts['blemish']} blemishes, {marks['keep']} of {sorts['keep']}"
        )
        text += f" permanent marks; a photo {false:.2f} false, {doubtful:.2f} doubtful\n"
    return text


def calibration(rows: list[Row], heal: Judged) -> str:
    """Stated odds beside what turned out, doubtful spots left out."""
    told = np.array([r.scale == 1 and r.label not in {"ignore", "fine"} for r in rows])
    right = np.array([r.label == "blemish" for r in rows])
    text = "odds of a blemish: stated, true, finds\n"
    for low, high in pairwise((0, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0001)):
        here = told & (heal >= low) & (heal < high)
        if here.any():
            text += f"  {heal[here].mean():.2f}  {right[here].mean():.2f}  {here.sum()}\n"
    return text


def main() -> None:
    """Collect, fit without each fold, report; fit on everybody and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="write the trees into the engine")
    given = parser.parse_args()
    photos, second = list(portraits(given.data)), list(second_photos(given.data))
    fold = folds(photos)
    rows = with_verdicts(looked_at(photos, second, given.networks), fold, given.networks)
    heal, keep = judged(rows, fold, given.networks)
    for sensitivity in (0, 25, 50, 75, 100):
        fates = _fates(rows, heal, keep, Bars.at(sensitivity))
        print(f"sensitivity {sensitivity}\n{report(rows, fates, photos)}", flush=True)
        print(f"second photos, none of them measured on\n{report(rows, fates, second)}", flush=True)
    print(calibration(rows, heal))
    if given.write:
        free = {p.path.name for p in [*photos, *second] if p.free}
        rows = [r for r in rows if r.photo in free]
        models = {sort: fitted(rows, sort) for sort in ("blemish", "keep")}
        written(models, MODEL_PATH, f"{len(free)} portraits at {len(SCALES)} sizes, {len(rows)} finds")
        print(f"wrote {MODEL_PATH.name}, {MODEL_PATH.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
