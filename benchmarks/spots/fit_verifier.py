"""Fit the classic detector's verifier from hand labels, and say how good it is on people it did not see.

    python -m benchmarks.spots.fit_verifier DATA_DIR [--write]

``DATA_DIR`` is laid out as ``benchmarks.spots.labels`` says; only photos whose licence allows to ship what
was learned from them take part. Needs scikit-learn, and an environment without
onnxruntime: this detector decides where no part of a face is known. Cross-validated by person; seeds are
fixed; the result is a small JSON file of trees over figures that a person can read, not a picture of anyone.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.spots.labels import Portrait, portraits
from numpy.typing import NDArray

from retouch_engine.detect.classic import survey_outlines
from retouch_engine.detect.kinds import Bars, clearly_red
from retouch_engine.detect.verifier import FEATURES, MODEL_PATH, vector
from retouch_engine.recipe import Recipe
from retouch_engine.survey import knows_faces, survey
from retouch_engine.types import Photo

SCALES = (0.6, 1.0, 1.7)
"""Every photo is seen at these sizes, so that no figure leans on one camera's pixels."""
FOLDS = 6
TREES = 90

Row = tuple[str, float, str, list[float]]
"""Person, scale, label, features."""


def _rows(job: tuple[Portrait, float]) -> list[Row]:
    portrait, scale = job
    pixels = portrait.pixels
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if scale != 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=how), np.uint8)
    photo = Photo(np.ascontiguousarray(pixels), lossy=True)
    rows: list[Row] = []
    for outline, box, _, figures in survey_outlines(photo, survey(photo), Recipe()):
        cy, cx = (box.y0 + box.y1) / 2 / scale, (box.x0 + box.x1) / 2 / scale
        label = portrait.label(cx, cy, outline.diameter_px / scale)
        rows.append((portrait.person, scale, label, vector(figures)))
    return rows


def collect(photos: list[Portrait]) -> list[Row]:
    """Every outline in every photo at every scale, labelled."""
    jobs = [(portrait, scale) for portrait in photos for scale in SCALES]
    with ProcessPoolExecutor() as pool:
        return [row for rows in pool.map(_rows, jobs, chunksize=4) for row in rows]


_RISING = {"rise_red", "red_z", "ring_skin", "edge"}
_FALLING = {"melanin", "ring_dark", "ring_red", "elongation", "slope"}


def _model() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=TREES,
        learning_rate=0.07,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        l2_regularization=2.0,
        monotonic_cst=[1 if f in _RISING else -1 if f in _FALLING else 0 for f in FEATURES],
        random_state=0,
    )


def held_out(rows: list[Row]) -> NDArray[np.float64]:
    """For each row, the probability given by a model that never saw its person."""
    from sklearn.model_selection import GroupKFold

    x, y = _arrays(rows)
    people = sorted({r[0] for r in rows})
    group = np.array([people.index(r[0]) for r in rows])
    p = np.zeros(len(rows))
    for train, test in GroupKFold(FOLDS).split(x, y, group):
        p[test] = _model().fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    return p


def _arrays(rows: list[Row]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([r[3] for r in rows]), np.array([r[2] == "blemish" for r in rows])


def _short(value: Any) -> float:
    """Seven significant digits, as single precision: fixed decimals moved finds over thresholds."""
    return float(f"{float(value):.7g}")


def exported(model: Any) -> list[list[list[float]]]:
    """The trees as rows ``[feature, threshold, left, right, value]``; a leaf has feature -1."""
    trees = []
    for stage in model._predictors:  # noqa: SLF001 - scikit-learn offers no public way to its trees
        nodes = stage[0].nodes
        trees.append(
            [
                [
                    -1 if n["is_leaf"] else int(n["feature_idx"]),
                    _short(n["num_threshold"]),
                    int(n["left"]),
                    int(n["right"]),
                    _short(n["value"]),
                ]
                for n in nodes
            ]
        )
    return trees


def _report(rows: list[Row], p: NDArray[np.float64], marks: int, photos: int) -> None:
    label = np.array([r[2] for r in rows])
    for scale in SCALES:
        here = np.array([r[1] == scale for r in rows])
        print(f"scale {scale}: of {marks} blemishes on {photos} photos")
        clear = np.array([clearly_red(dict(zip(FEATURES, r[3], strict=True))) for r in rows])
        healed = here & clear & (p >= Bars.at(50).sure)
        total = {k: int((label[healed] == k).sum()) for k in ("blemish", "keep", "nothing", "ignore")}
        print(f"  healed unasked at sensitivity 50: {total}")
        for least in (0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05):
            taken = here & (p >= least)
            n = {k: int((label[taken] == k).sum()) for k in ("blemish", "keep", "nothing", "ignore")}
            print(
                f"  p >= {least:.2f}: recall {n['blemish'] / marks:.2f}, a photo: false"
                f" {n['nothing'] / photos:.2f}, uncertain {n['ignore'] / photos:.2f}; permanent {n['keep']}"
            )


def main() -> None:
    """Fit, report, and write the file when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true", help="write the verifier into the engine")
    arguments = parser.parse_args()
    if knows_faces():
        parser.error(
            "onnxruntime is installed: uninstall it first, or skin is not what classic will be given"
        )
    photos = [portrait for portrait in portraits(arguments.data) if portrait.free]
    every = collect(photos)
    rows = [r for r in every if r[2] != "ignore"]
    p = np.full(len(every), np.nan)
    told = np.array([r[2] != "ignore" for r in every])
    p[told] = held_out(rows)
    x, y = _arrays(rows)
    model = _model().fit(x, y)
    p[~told] = model.predict_proba(np.array([r[3] for r in every if r[2] == "ignore"]))[:, 1]
    _report(every, p, sum(len(p.marks("blemish")) for p in photos), len(photos))
    if arguments.write:
        content = {
            "schema": "retouchd.verifier/1",
            "features": list(FEATURES),
            "base": round(float(model._baseline_prediction.ravel()[0]), 5),  # noqa: SLF001 - as above
            "trees": exported(model),
            "fitted_on": f"{len(photos)} portraits at {len(SCALES)} scales, {int(y.sum())} blemish outlines",
        }
        MODEL_PATH.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        print(f"wrote {MODEL_PATH.name}, {MODEL_PATH.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
