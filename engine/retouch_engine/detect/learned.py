"""The detector that decides by what was learned from labelled portraits; rules still name, explain and veto.

A network looks at the skin of faces whose scale is known, the rules of ``classic`` outline what they see, a
second network looks at each find, trees over the figures of all give the odds, and ``lines`` says what
follows. Without a face, and so without millimetres, or without onnxruntime, ``classic`` decides as it always
did.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from retouch_engine.calibration import Calibration
from retouch_engine.detect import judge, spotnet, trees
from retouch_engine.detect.base import DetectorSpec
from retouch_engine.detect.classic import Classic, survey_outlines
from retouch_engine.detect.finds import Find, by_rules, figured, peaks
from retouch_engine.detect.grade import grade_of
from retouch_engine.detect.kinds import Finding
from retouch_engine.detect.lines import Bars, freckles, named_find
from retouch_engine.detect.risk import RISK
from retouch_engine.detect.spotnet import Network
from retouch_engine.detect.trees import Trees
from retouch_engine.detect.worn import WORN, worn
from retouch_engine.recipe import PERMANENT, Recipe
from retouch_engine.survey import Scene
from retouch_engine.threads import borrowed
from retouch_engine.types import DetectorId, Photo, Spot

_MOST_OFFERED = 30
"""For each person, the likeliest first: nobody looks at a hundred."""


class Learned:
    """A network's finds and the rules' outlines, judged by trees."""

    spec = DetectorSpec(
        id=DetectorId("learned"),
        summary="a network and pigment outlines, judged by trees fitted on labelled portraits",
        weights=True,
        licence="Apache-2.0",
    )

    def __init__(self, files: tuple[Path, Path, Path] | None = None) -> None:
        """``files``: two other networks and other trees, such as have not seen a person."""
        self._files = files

    def detect(self, photo: Photo, scene: Scene, recipe: Recipe) -> tuple[Spot, ...]:
        """See :class:`retouch_engine.detect.base.Detector`."""
        networks, table = self._models()
        if networks is None or not scene.scale.px_per_mm or scene.skin_box is None:
            return Classic().detect(photo, scene, recipe)
        grade = grade_of(photo, scene)
        shown = grade.taken_back(photo)
        named: list[tuple[Find, Finding]] = []
        # Each person at that person's own scale: a millimetre of a face in the back is fewer pixels.
        for person in scene.people():
            taken = [find.box for find, _ in named]
            theirs = judged(shown, person, recipe, networks, table, grade.strength)
            named += [pair for pair in theirs if not any(pair[0].box.meets(b) for b in taken)]
        named.sort(key=lambda pair: pair[0].box)
        return tuple(_spot(number, *pair) for number, pair in enumerate(named, start=1))

    def _models(self) -> tuple[tuple[Network, Network] | None, Trees]:
        if self._files is not None:
            first, second, table = self._files
            return (spotnet.load(first), spotnet.load(second)), trees.read(table)
        known = (spotnet.shipped(), spotnet.load(judge.MODEL_PATH)) if spotnet.knows_spots() else None
        return known, trees.shipped()


def judged(
    photo: Photo,
    scene: Scene,
    recipe: Recipe,
    networks: tuple[Network, Network],
    table: Trees,
    graded: float = 1.0,
) -> list[tuple[Find, Finding]]:
    """Every find on one person's skin that is worth anyone's attention, with what it is.

    ``graded`` is by how much a grade was taken back from the photo.
    """
    finds = found(photo, scene, recipe, *networks) or []
    heal, keep = trees.odds(table, [f.figures for f in finds])
    bars, taste = Bars.of(recipe), Calibration.of(recipe)
    all_figures = [f.figures for f in finds]
    whole = {"graded": graded, WORN: worn(all_figures, heal)}
    company = freckles(all_figures, heal, keep)
    named = []
    for find, h, k, among in zip(finds, heal, keep, company, strict=True):
        figures = find.figures | whole | {"company": among}
        figures[RISK] = table.risk.odds(find.figures, h, k)
        finding = named_find(figures, h, k, bars, taste)
        if finding is not None:
            told = figures | {"odds_blemish": h, "odds_permanent": k}
            named.append((replace(find, figures=told), finding))
    return _likeliest(named, _MOST_OFFERED)


def found(photo: Photo, scene: Scene, recipe: Recipe, network: Network, second: Network) -> list[Find] | None:
    """Everything worth a second look, with its figures; None where no face gives a scale.

    Args:
        photo: the photo.
        scene: what the survey knows of it.
        recipe: for the rules' outlines.
        network: looks at all skin, as ``spots.onnx``.
        second: judges each find, as ``judge.onnx``.
    """
    # The rules are Python for the most part, the network is not: each leaves a processor idle by itself.
    with borrowed("rules", 1) as hands:
        outlines = hands.submit(survey_outlines, photo, scene, recipe)
        seen = spotnet.view(photo, scene, network)
        looked_at = outlines.result()
    if seen is None:
        return None
    finds = figured(scene, seen, by_rules(looked_at))
    # The second network is at the rules' outlines while Python is at the first one's own peaks.
    with borrowed("verdicts", 1) as hands:
        verdicts = hands.submit(judge.judged, finds, seen, second)
        more = figured(scene, seen, peaks(photo, scene, seen, finds))
        return [*verdicts.result(), *judge.judged(more, seen, second)]


def _likeliest(named: list[tuple[Find, Finding]], most: int) -> list[tuple[Find, Finding]]:
    """Without the least likely of too many offers."""
    offers = sorted((f.score for _, f in named if not f.sure and f.kind not in PERMANENT), reverse=True)
    least = offers[most - 1] if len(offers) > most else 0.0
    return [(find, f) for find, f in named if f.sure or f.kind in PERMANENT or f.score >= least]


def _spot(number: int, find: Find, finding: Finding) -> Spot:
    return Spot(
        id=number,
        box=find.box,
        mask=find.mask,
        diameter_px=find.diameter_px,
        kind=finding.kind,
        score=round(finding.score, 4),
        sure=finding.sure,
        reason=finding.reason,
        features={name: round(value, 4) for name, value in find.figures.items()},
        close=finding.close,
    )
