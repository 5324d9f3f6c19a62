"""What becomes of judged finds by given lines, and what lines are worth that are drawn on other people.

A line drawn with all people in view says nothing of the next one. Here they are drawn on two folds, over
every look at every mark (:mod:`benchmarks.spots.looks`), and counted on the third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from benchmarks.spots.finds import Row
from benchmarks.spots.labels import FOLDS, Portrait
from numpy.typing import NDArray

from retouch_engine.detect.lines import Bars, freckles, named_find
from retouch_engine.detect.risk import RISK
from retouch_engine.detect.worn import WORN, worn
from retouch_engine.recipe import PERMANENT

_SURE_FROM = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
_RISK_TO = (0.1, 0.12, 0.14, 0.16, 0.18, 0.19, 0.2, 0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.28, 0.3, 0.35, 0.4)
_MOST_FALSE = 0.43
"""False heals a photo that lines may cost, a little under the bar."""
_MOST_PERMANENT = 0.004
"""Of all looks at permanent marks, the share that lines may heal: under half of the bar."""
SORTS = {"blemish": "blemish", "keep": "permanent"}
Judged = NDArray[np.float64]


@dataclass(frozen=True)
class Odds:
    """Of each row: would be healed, belongs to the person, and the risk of healing it."""

    heal: Judged
    keep: Judged
    risk: Judged

    def and_of(self, others: Odds) -> Odds:
        """These rows', then the others'."""
        pairs = ((self.heal, others.heal), (self.keep, others.keep), (self.risk, others.risk))
        return Odds(*(np.concatenate(pair) for pair in pairs))


def _people(rows: list[Row]) -> dict[tuple[str, float], list[int]]:
    """The rows of each photo at each size: one person a photo, so all are company."""
    finds: dict[tuple[str, float], list[int]] = {}
    for number, r in enumerate(rows):
        finds.setdefault((r.photo, r.scale), []).append(number)
    return finds


def company_of(rows: list[Row], heal: Judged, keep: Judged) -> list[float]:
    """For each row among how many freckles of its photo, at its size, it lies."""
    company = [0.0] * len(rows)
    for some in _people(rows).values():
        finds = [rows[n].figures for n in some]
        for n, among in zip(some, freckles(finds, heal[some].tolist(), keep[some].tolist()), strict=True):
            company[n] = among
    return company


def worn_of(rows: list[Row], heal: Judged) -> dict[tuple[str, float], float]:
    """How many marks of a photo, at a size, are worn."""
    return {
        which: worn([rows[n].figures for n in some], heal[some].tolist())
        for which, some in _people(rows).items()
    }


def fates_of(rows: list[Row], odds: Odds, bars: Bars) -> list[str]:
    """What becomes of each row: ``healed``, ``offered`` or ``left``."""
    fates, company, worn_marks = [], company_of(rows, odds.heal, odds.keep), worn_of(rows, odds.heal)
    columns = (column.tolist() for column in (odds.heal, odds.keep, odds.risk))
    for r, h, k, risk, among in zip(rows, *columns, company, strict=True):
        figures = r.figures | {"company": among, WORN: worn_marks[r.photo, r.scale], RISK: risk}
        finding = named_find(figures, h, k, bars)
        fate = "left" if finding is None or finding.kind in PERMANENT else "offered"
        fates.append("healed" if finding is not None and finding.sure else fate)
    return fates


def report(rows: list[Row], fates: list[str], photos: Sequence[Portrait]) -> str:
    """What becomes of marks and finds in these photos at their own size."""
    text, n, names = "", len(photos), {p.path.name for p in photos}
    sorts = {sort: sum(len(p.marks(sort)) for p in photos) for sort in ("blemish", "keep")}
    for fate in ("healed", "offered"):
        pairs = zip(rows, fates, strict=True)
        mine = np.array([r.scale == 1 and f == fate and r.photo in names for r, f in pairs])
        found = counted(rows, mine)
        doubtful = sum(rows[i].label == "ignore" for i in np.flatnonzero(mine).tolist()) / n
        text += (
            f"{fate}: {found.blemishes} of {sorts['blemish']} blemishes, {found.permanent} of {sorts['keep']}"
        )
        text += f" permanent marks; a photo {found.false / n:.2f} false, {doubtful:.2f} doubtful\n"
    return text


def nested(
    rows: list[Row], odds: Odds, photos: Sequence[Portrait], fold: dict[str, int], shown: Sequence[int]
) -> str:
    """What lines are worth that are drawn without the people they are then used on.

    For each fold the two lines (odds to heal from, largest risk) that heal the most blemishes of the other
    folds, with no more false heals and no more permanent marks than may be: these in all looks at them.

    Args:
        rows: finds in the photos that are measured on and in all other looks.
        odds: of each row.
        photos: that are measured on.
        fold: of each person.
        shown: for each fold, how many looks at permanent marks there were.
    """
    which, names = np.array([fold[r.person] for r in rows]), {p.path.name for p in photos}
    mine = np.array([r.scale == 1 and r.photo in names for r in rows])
    ways = {}
    for sure, risk in product(_SURE_FROM, _RISK_TO):
        fates = fates_of(rows, odds, replace(Bars.at(50), sure=sure, risk=risk))
        ways[sure, risk] = np.array([f == "healed" for f in fates])
    total, chosen = np.zeros(len(rows), dtype=bool), []
    for number in range(FOLDS):
        others = [p for p in photos if fold[p.person] != number]
        most = _MOST_PERMANENT * sum(looks for n, looks in enumerate(shown) if n != number)
        counts = {}
        for way, healed in ways.items():
            if counted(rows, healed & (which != number)).permanent <= most:
                counts[way] = counted(rows, healed & mine & (which != number))
        may = [way for way, count in counts.items() if count.false <= _MOST_FALSE * len(others)]
        if not may:
            raise SystemExit(
                "every pair of lines heals too many permanent marks, or too much else: widen the grid"
            )
        chosen.append(max(may, key=lambda way: (counts[way].blemishes, -counts[way].false)))
        total |= ways[chosen[-1]] & (which == number)
    own, again = counted(rows, total & mine), counted(rows, total)
    return (
        f"lines drawn on two folds, counted on the third: {own.blemishes} blemishes and {own.permanent}"
        f" permanent marks healed, {own.false / len(photos):.2f} false heals a photo; in all looks"
        f" {again.permanent} of {sum(shown)} permanent marks beside {again.blemishes} blemishes; {chosen}\n"
    )


@dataclass(frozen=True, slots=True)
class Count:
    """What lines heal: labelled marks, each look at one by itself, and finds of nothing."""

    blemishes: int
    permanent: int
    false: int


def counted(rows: list[Row], healed: NDArray[np.bool_]) -> Count:
    """What is healed among these rows."""
    some = [rows[i] for i in np.flatnonzero(healed).tolist()]
    blemishes, permanent = (
        len({(r.photo, r.scale, r.mark) for r in some if r.label == sort}) for sort in SORTS
    )
    return Count(blemishes, permanent, sum(r.label == "nothing" for r in some))
