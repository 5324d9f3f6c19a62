"""What an outlined spot is, by rules that a person can read, and whether it is unmistakable.

Blood and melanin absorb differently: a red spot raises green density and leaves red alone (``melanin``
near 0); a mole raises both (0.5 to 0.9). On 246 labelled moles and freckles nine tenths lie above 0.4, on 165
labelled pimples and red spots half lie below 0.3. The gap between is where ``unknown`` and review belong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from retouch_engine.detect.contour import Outline
from retouch_engine.detect.worn import no_skin
from retouch_engine.recipe import Kind

_BROWN = 0.48
_SURELY_RED = 0.36
_FRECKLED = 5
"""Brown marks around a spot from which the skin there counts as freckled."""
_DARK = 4.5
_RED = 0.08
_LONG = 2.4


@dataclass(frozen=True, slots=True)
class Bars:
    """The chances from which a spot is offered for review, and from which it is healed unasked."""

    review: float
    sure: float
    melanin: float = _SURELY_RED
    """The largest melanin share of a spot that may be healed unasked."""

    @classmethod
    def at(cls, sensitivity: int) -> Bars:
        """For a sensitivity of 0 to 100; 50 asks of 105 portraits for one false heal in ten."""
        doubt = (50 - sensitivity) / 50
        return cls(review=0.10 * 2.0 ** (2 * doubt), sure=0.72 + (0.2 if doubt > 0 else 0.35) * doubt)

    def among(self, browns: int) -> Bars:
        """The same for a spot with ``browns`` brown marks around it.

        On freckled skin a freckle under warm light passes for a red spot: both portraits of the fitting set
        on which permanent marks would have been healed were freckled. There only the reddest is beyond doubt.
        """
        return replace(self, sure=max(self.sure, 0.9), melanin=0.28) if browns >= _FRECKLED else self


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules say: the kind, how sure (0 to 1), whether unmistakable, and why in words."""

    kind: Kind
    score: float
    sure: bool
    reason: str
    close: bool = False
    """See :class:`retouch_engine.types.Spot`."""


def rejected(o: Outline, least_px: float) -> str:
    """Why an outline is not a spot at all; empty when it is one."""
    f = o.features
    if o.diameter_px < least_px:
        return "smaller than a pore's worth of pixels"
    if f["ring_skin"] < 0.9:
        return "not surrounded by skin"
    if f["rise_g"] < 0.05:
        return "no contrast of its own"
    if max(f["ring_dark"], f["ring_red"]) > 0.16:
        return "not alone: the skin around it looks the same"
    if f["slope"] > 1.2 * max(f["rise_g"], 0.1):
        return "on an edge or a fold"
    return ""


def named(o: Outline, figures: Mapping[str, float], chance: float, bars: Bars) -> Finding | None:
    """Name an outline; None when it is not worth anyone's attention.

    Args:
        o: the outline.
        figures: its features, with those of its place.
        chance: the verifier's probability that a retoucher would heal it.
        bars: where the sensitivity puts the lines.
    """
    melanin = figures["melanin"]
    words = f"melanin share {melanin:.2f}, chance {chance:.2f}"
    if brown(figures):
        kind = Kind.FRECKLE if figures["nearby"] >= 5 or figures["rise_g"] < 0.3 else Kind.MOLE
        return Finding(kind, chance, sure=False, reason=f"brown, so it belongs to the person ({words})")
    if chance < bars.review:
        return None
    if figures["elongation"] > _LONG:
        return Finding(Kind.LINE, chance, sure=False, reason="long and thin: a hair, a line or a scratch")
    if melanin < _BROWN and figures["rise_red"] > _RED:
        if why := no_skin(figures):
            return Finding(_red_kind(o), chance, sure=False, reason=f"{why} ({words})")
        clear = clearly_red(figures, bars.melanin)
        why = f"red: blood, not melanin ({words})" + ("" if clear else "; its place leaves a doubt")
        return Finding(_red_kind(o), chance, sure=clear and chance >= bars.sure, reason=why)
    return Finding(
        Kind.UNKNOWN, chance, sure=False, reason=f"neither clearly red nor clearly brown ({words})"
    )


def brown(figures: Mapping[str, float]) -> bool:
    """Melanin, and clearly darker than the skin around it: a mole or a freckle."""
    return figures["melanin"] >= _BROWN and figures["dark_z"] > _DARK


def clearly_red(figures: Mapping[str, float], melanin: float = _SURELY_RED) -> bool:
    """Nothing about its colour, place or shape leaves a doubt, whatever the odds say."""
    return bool(
        figures["melanin"] < melanin
        and figures["rise_red"] > _RED
        and figures["elongation"] < 2.0
        and figures["ring_skin"] > 0.97
        and max(figures["ring_dark"], figures["ring_red"]) < 0.14
        and figures["edge"] > 1.0
    )


def _red_kind(o: Outline) -> Kind:
    f = o.features
    return Kind.PIMPLE if f["rise_g"] > 0.35 and f["rise_red"] > 0.22 else Kind.RED_SPOT
