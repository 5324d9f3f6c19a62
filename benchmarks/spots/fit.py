"""Fit the trees that judge every find, on people whom the network had not seen, and say how good they are.

    python -m benchmarks.spots.fit DATA_DIR --networks DIR [--write]

``DIR`` holds the networks that ``benchmarks.spots.train`` and ``benchmarks.spots.train_judge`` made, one of
each for each fold. Every photo is looked at with the networks that have not seen its person, at two sizes;
the trees are then fitted without each fold in turn, so that the figures printed are of people whom none had
seen, and once on everybody, which is what ships. The risk is fitted on odds by trees that had not seen the
person. Second photos of the same people teach, and are counted apart. The lines of ``learned`` are drawn
with all finds in view, and those in five further looks at every photo (``benchmarks.spots.looks``), which
teach nothing; what is printed at last are lines drawn on two folds and counted on the third
(``benchmarks.spots.lines``).
Writes ``DIR/spots.FOLD.json`` for ``benchmarks.detect --held-out``. Needs scikit-learn; seeds are fixed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.spots.finds import SCALES, Row, looked_at, with_verdicts
from benchmarks.spots.fit_verifier import exported
from benchmarks.spots.labels import FOLDS, folds, portraits, second_photos
from benchmarks.spots.lines import SORTS, Judged, Odds, company_of, fates_of, nested, report
from benchmarks.spots.looks import looked_at_again, looks_at_permanent
from numpy.typing import NDArray

from retouch_engine.detect import trees
from retouch_engine.detect.finds import worth_it
from retouch_engine.detect.lines import FRECKLED, SURE_AMONG_FRECKLES, Bars
from retouch_engine.detect.regression import Regression
from retouch_engine.detect.regression import weighed as termed
from retouch_engine.detect.risk import Risk, weighed
from retouch_engine.detect.trees import FIGURES, MODEL_PATH, row

ROUNDS = 100
BAGS = 6
"""Sets of trees whose mean is taken, each fitted on people weighed by chance."""
_MORE_BLEMISH = ("blemish_most", "blemish_mean", "judged_blemish")
_LESS_BLEMISH = ("coherence",)
_MORE_PERMANENT = ("permanent_most", "permanent_mean", "judged_permanent")
_THINKABLE = 0.1
"""Odds from which one would think of healing: the risk is fitted on such finds alone."""
_SHRUNK = 0.5
_STIFF = 0.3
_STIFFER = 0.1
"""The inverses of the risk's and of the regression's penalty, at figures of unit deviation."""


@dataclass(frozen=True)
class Fitted:
    """The sets of trees of each sort, and the regression beside those of blemishes."""

    bags: dict[str, list[Any]]
    regression: Regression

    def odds(self, sort: str, asked: list[Row]) -> Judged:
        """By the mean of a sort's bags; of blemishes, by that and by the regression."""
        table = np.array([row(r.figures) for r in asked])
        raw = np.mean([bag.decision_function(table) for bag in self.bags[sort]], axis=0)
        said = 1 / (1 + np.exp(-raw))
        if sort == "blemish":
            pairs = zip(asked, said.tolist(), strict=True)
            both = [self.regression.with_trees(r.figures, h) if worth_it(r.figures) else h for r, h in pairs]
            return np.array(both)
        return np.asarray(said)


def _model(sort: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    way = 1 if sort == "blemish" else -1
    signs = dict.fromkeys(_MORE_BLEMISH, way) | dict.fromkeys(_MORE_PERMANENT, -way)
    signs |= dict.fromkeys(_LESS_BLEMISH, min(0, -way))
    return HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        learning_rate=0.05,
        max_leaf_nodes=6,
        min_samples_leaf=30,
        max_features=0.4,
        l2_regularization=8.0,
        monotonic_cst=[signs.get(f, 0) for f in FIGURES],
        random_state=seed,
    )


def fitted(rows: list[Row]) -> Fitted:
    """Trees that tell one sort of mark from the rest; doubtful spots teach nothing."""
    told = [r for r in rows if r.label not in {"ignore", "fine"}]
    table = np.array([row(r.figures) for r in told])
    people = sorted({r.person for r in told})
    whose = np.array([people.index(r.person) for r in told])
    bags: dict[str, list[Any]] = {sort: [] for sort in SORTS}
    for seed in range(BAGS):
        weight = np.random.default_rng(seed).exponential(1, len(people))[whose]
        for sort, total in bags.items():
            right = np.array([r.label == sort for r in told])
            total.append(_model(sort, seed).fit(table, right, sample_weight=weight))
    return Fitted(bags, regressed([r for r in told if worth_it(r.figures)]))


def regressed(told: list[Row]) -> Regression:
    """The second opinion on blemishes; a photo at a smaller size counts half."""
    table = np.array([termed(r.figures) for r in told])
    right = np.array([r.label == "blemish" for r in told])
    return Regression(*_logistic(table, right, np.array([_often(r) for r in told]), _STIFFER))


def _often(told: Row) -> float:
    return 1.0 if told.scale == 1 else _SHRUNK


def _logistic(
    table: Judged, right: NDArray[np.bool_], often: Judged, stiff: float
) -> tuple[tuple[float, ...], float]:
    """Weights and bias for figures as they are, penalised at figures of unit deviation."""
    from sklearn.linear_model import LogisticRegression

    middle, spread = table.mean(axis=0), np.maximum(1e-6, table.std(axis=0))
    line = LogisticRegression(C=stiff, max_iter=1000).fit(
        (table - middle) / spread, right, sample_weight=often
    )
    weights = line.coef_[0] / spread
    bias = float(line.intercept_[0] - weights @ middle)
    return tuple(round(w, 5) for w in weights.tolist()), round(bias, 5)


def weighing(rows: list[Row], heal: Judged, keep: Judged) -> Risk:
    """The risk, fitted on finds that one would think of healing and on odds by trees that had not seen them.

    Among freckles little is healed whatever the risk; one such face would tell half of what is told here.
    """
    company = company_of(rows, heal, keep)
    told = [
        (weighed(r.figures, h, k), r.label == "keep", _often(r))
        for r, h, k, among in zip(rows, heal.tolist(), keep.tolist(), company, strict=True)
        if r.label in SORTS and h >= _THINKABLE and (among < FRECKLED or h >= SURE_AMONG_FRECKLES)
    ]
    table, kept, often = (np.array(column) for column in zip(*told, strict=True))
    return Risk(*_logistic(table, kept, often, _STIFF))


def _one_of(bag: Any) -> list[list[list[float]]]:
    """Its trees, each leaf's value as its share in the mean."""
    return [[[*node[:4], round(node[4] / BAGS, 8)] for node in tree] for tree in exported(bag)]


def written(models: Fitted, risk: Risk, path: Path, about: str) -> None:
    """Both sets of trees and the risk as one file."""
    content: dict[str, Any] = {"schema": "retouchd.spots/3", "features": list(FIGURES), "fitted_on": about}
    for sort, name in SORTS.items():
        bags = models.bags[sort]
        bases = [float(bag._baseline_prediction.ravel()[0]) for bag in bags]  # noqa: SLF001 - as its trees
        trees = [tree for bag in bags for tree in _one_of(bag)]
        content[name] = {"base": round(float(np.mean(bases)), 5), "trees": trees}
    content["regression"], content["risk"] = models.regression.content(), risk.content()
    path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


def judged_again(rows: list[Row], fold: dict[str, int], networks: Path) -> Odds:
    """The same of rows that nothing was fitted on, by the folds' models as they were written."""
    heal, keep, risk = (np.zeros(len(rows)) for _ in range(3))
    for number in range(FOLDS):
        models = trees.read(networks / f"spots.{number}.json")
        mine = [i for i, r in enumerate(rows) if fold[r.person] == number]
        heal[mine], keep[mine] = trees.odds(models, [rows[i].figures for i in mine])
        for i in mine:
            risk[i] = models.risk.odds(rows[i].figures, float(heal[i]), float(keep[i]))
    return Odds(heal, keep, risk)


def judged(rows: list[Row], fold: dict[str, int], networks: Path) -> Odds:
    """For each row the odds by models that never saw its person; the folds' models are written beside."""
    heal, keep, risk = (np.zeros(len(rows)) for _ in range(3))
    which = np.array([fold[r.person] for r in rows])
    models = []
    for number in range(FOLDS):
        models.append(fitted([r for r, f in zip(rows, which, strict=True) if f != number]))
        here = which == number
        asked = [r for r, h in zip(rows, here, strict=True) if h]
        heal[here], keep[here] = (models[-1].odds(sort, asked) for sort in SORTS)
    for number, model in enumerate(models):
        seen = which != number
        line = weighing([r for r, s in zip(rows, seen, strict=True) if s], heal[seen], keep[seen])
        for i in np.flatnonzero(~seen).tolist():
            risk[i] = line.odds(rows[i].figures, float(heal[i]), float(keep[i]))
        about = f"{int(seen.sum())} finds, without fold {number}"
        written(model, line, networks / f"spots.{number}.json", about)
    return Odds(heal, keep, risk)


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
    odds = judged(rows, fold, given.networks)
    for sensitivity in (0, 25, 50, 75, 100):
        fates = fates_of(rows, odds, Bars.at(sensitivity))
        print(f"sensitivity {sensitivity}\n{report(rows, fates, photos)}", flush=True)
        print(f"second photos, none of them measured on\n{report(rows, fates, second)}", flush=True)
    print(calibration(rows, odds.heal))
    again = with_verdicts(looked_at_again([*photos, *second], fold, given.networks), fold, given.networks)
    both = odds.and_of(judged_again(again, fold, given.networks))
    print(nested([*rows, *again], both, photos, fold, looks_at_permanent(photos, second, fold)))
    if given.write:
        free = {p.path.name for p in [*photos, *second] if p.free}
        allowed = np.array([r.photo in free for r in rows])
        rows = [r for r, may in zip(rows, allowed, strict=True) if may]
        line = weighing(rows, odds.heal[allowed], odds.keep[allowed])
        about = f"{len(free)} portraits at {len(SCALES)} sizes, {len(rows)} finds"
        written(fitted(rows), line, MODEL_PATH, about)
        print(f"wrote {MODEL_PATH.name}, {MODEL_PATH.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
