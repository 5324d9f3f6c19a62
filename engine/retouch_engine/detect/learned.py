"""The detector that decides by what was learned from labelled portraits; rules still name, explain and veto.

A network looks at the skin of faces whose scale is known, the rules of ``classic`` outline what they see, and
trees over the figures of both give the odds. What belongs to the person is guarded three times: by the odds
of being permanent, by colour, and by asking more wherever such marks come in company. Without a face, and so
without millimetres, or without onnxruntime, ``classic`` decides as it always did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retouch_engine.detect import spotnet, trees
from retouch_engine.detect.base import DetectorSpec
from retouch_engine.detect.classic import Classic, survey_outlines
from retouch_engine.detect.finds import Find, united
from retouch_engine.detect.kinds import Finding
from retouch_engine.detect.spotnet import Network
from retouch_engine.detect.trees import Trees
from retouch_engine.recipe import Kind, Recipe
from retouch_engine.survey import Scene
from retouch_engine.types import DetectorId, Photo, Spot

_BROWN = 0.5
_FREE_OF_MELANIN = 0.42
"""The largest melanin share of a spot that may be healed unasked."""
_LONG = 2.4
_FRECKLED = 6.0
"""Likely permanent marks within 25 mm from which the skin there counts as freckled."""
_COMPANY_ASKS = 0.12
"""How much surer a find among freckles has to be."""


@dataclass(frozen=True, slots=True)
class Bars:
    """The odds from which a find is offered, from which it is healed unasked, and the veto.

    Chosen on people that neither network nor trees had seen; ``spots.md`` has the figures.
    """

    review: float
    sure: float
    permanent: float
    """The largest odds of belonging to the person that a spot healed unasked may have."""

    @classmethod
    def at(cls, sensitivity: int) -> Bars:
        """For a sensitivity of 0 to 100."""
        doubt = (50 - sensitivity) / 50
        return cls(
            review=0.05 * 2.0 ** (2 * doubt),
            sure=0.6 + (0.3 if doubt > 0 else 0.25) * doubt,
            permanent=0.2 * 2.0 ** (-doubt),
        )


class Learned:
    """A network's finds and the rules' outlines, judged by trees."""

    spec = DetectorSpec(
        id=DetectorId("learned"),
        summary="a network and pigment outlines, judged by trees fitted on labelled portraits",
        weights=True,
        licence="Apache-2.0",
    )

    def __init__(self, network: Path | None = None, judge: Path | None = None) -> None:
        """Other files than the shipped ones: how a benchmark asks those that have not seen a person."""
        self._files = network, judge

    def detect(self, photo: Photo, scene: Scene, recipe: Recipe) -> tuple[Spot, ...]:
        """See :class:`retouch_engine.detect.base.Detector`."""
        network, judge = self._models()
        finds = None if network is None else found(photo, scene, recipe, network)
        if finds is None:
            return Classic().detect(photo, scene, recipe)
        heal, keep = trees.odds(judge, [trees.row(f.figures) for f in finds])
        bars = Bars.at(recipe.sensitivity)
        named = [
            (f, finding)
            for f, h, k in zip(finds, heal.tolist(), keep.tolist(), strict=True)
            if (finding := named_find(f.figures, h, k, bars)) is not None
        ]
        named.sort(key=lambda pair: pair[0].box)
        return tuple(_spot(number, *pair) for number, pair in enumerate(named, start=1))

    def _models(self) -> tuple[Network | None, Trees]:
        network, judge = self._files
        if network is not None and judge is not None:
            return spotnet.load(network), trees.read(judge)
        return (spotnet.shipped() if spotnet.knows_spots() else None), trees.shipped()


def found(photo: Photo, scene: Scene, recipe: Recipe, network: Network) -> list[Find] | None:
    """Everything worth a second look, with its figures; None where no face gives a scale."""
    seen = spotnet.view(photo, scene, network)
    if seen is None:
        return None
    return united(photo, scene, seen, survey_outlines(photo, scene, recipe), network)


def named_find(figures: Mapping[str, float], heal: float, keep: float, bars: Bars) -> Finding | None:
    """Name a find; None when it is not worth anyone's attention.

    Args:
        figures: the find's figures.
        heal: odds that a retoucher would heal it.
        keep: odds that it belongs to the person.
        bars: where the sensitivity puts the lines.
    """
    words = f"odds of a blemish {heal:.2f}, of a permanent mark {keep:.2f}"
    if "melanin" not in figures:
        if heal < bars.review:
            return None
        return Finding(
            Kind.UNKNOWN, heal, sure=False, reason=f"faint, without an outline of its own ({words})"
        )
    melanin = figures["melanin"]
    words += f", melanin share {melanin:.2f}"
    if heal < bars.review:
        if keep < 0.5:
            return None
        return Finding(_permanent(figures), keep, sure=False, reason=f"belongs to the person ({words})")
    if figures["elongation"] > _LONG:
        return Finding(
            Kind.LINE, heal, sure=False, reason=f"long and thin: a hair, a line, a scratch ({words})"
        )
    if melanin >= _BROWN and keep > heal:
        return Finding(Kind.BROWN_SPOT, heal, sure=False, reason=f"brown: perhaps permanent ({words})")
    doubt = _doubt(figures, heal, keep, bars)
    return Finding(_temporary(figures), heal, sure=not doubt, reason=f"{doubt or 'no doubt'} ({words})")


def _doubt(figures: Mapping[str, float], heal: float, keep: float, bars: Bars) -> str:
    """Why a find may not be healed unasked; empty when it may."""
    freckled = figures["permanents_near"] >= _FRECKLED
    sure = min(0.95, bars.sure + _COMPANY_ASKS) if freckled else bars.sure
    if keep > bars.permanent:
        return "may belong to the person"
    if heal < sure:
        return "not sure enough among freckles" if freckled else "not sure enough"
    if figures["melanin"] > _FREE_OF_MELANIN:
        return "too much melanin for a red spot"
    if figures["own"] > 1 or figures["ring_skin"] < 0.95 or figures["edge"] < 0.7:
        return "its place leaves a doubt"
    return ""


def _permanent(figures: Mapping[str, float]) -> Kind:
    """A mole is darker or wider than a freckle; freckles come in company."""
    company = figures["permanents_near"] >= _FRECKLED
    return Kind.FRECKLE if figures["rise_g"] < 0.3 or (company and figures["mm"] < 2) else Kind.MOLE


def _temporary(figures: Mapping[str, float]) -> Kind:
    if figures["rise_g"] < 0:
        return Kind.FLAKE
    if figures["rise_red"] < 0.06:
        return Kind.UNKNOWN
    if figures["melanin"] > 0.3 and figures["rise_g"] > 0.5:
        return Kind.SCAB
    return Kind.PIMPLE if figures["rise_g"] > 0.35 and figures["rise_red"] > 0.22 else Kind.RED_SPOT


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
    )
