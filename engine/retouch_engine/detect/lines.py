"""The lines between healed, offered and left: what a judged find is called, and whether it is beyond doubt.

Each line has what it is worth beside it, in labelled marks; ``spots.md`` has them together. What belongs to
the person is guarded three times: by the risk, in which all that speaks for a permanent mark is weighed
(``risk``), by lines that nothing outweighs, and by asking more wherever such marks come in company.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from retouch_engine.calibration import Calibration
from retouch_engine.detect.kinds import Finding
from retouch_engine.detect.risk import RISK
from retouch_engine.detect.worn import among_worn, no_skin
from retouch_engine.recipe import Kind, Recipe
from retouch_engine.types import Spot

_BROWN = 0.37
"""Melanin share, in the usual rendering, from which a mark that is likelier permanent is called a brown
spot, and from which no studio's taste makes it likelier to be healed."""
_DARK = (0.67, 0.35)
"""Melanin share and rise in green density above which a mark looks like a mole, whatever the odds say."""
_BROWN_RISK = (0.37, 0.5)
"""Melanin share above which less risk is taken, and the share of it. Five blemishes of 165 go unhealed by
it, and so do two permanent marks, and 12 of 19 in further looks at all of them."""
_GRADED_RISK = 0.25
"""The share for what is brown where a grade had to be taken back (:mod:`retouch_engine.detect.grade`)."""
_GRADED = "this photo's grade was taken back to tell its marks apart: of brown ones less is healed unasked"
_BODY_RISK = 0.4
"""The share on bodies, where fewer heals are right: a tan mark of 2.8 mm on a neck, labelled a mole, was
healed at half of the risk. One of 161 blemishes goes unhealed by it, and two of 36 places where there is
nothing."""
_COARSE_PX_PER_MM, _COARSE_IF_HALVED, _BROWN_IF_COARSE = 2.6, 3.0, 0.4
"""A small face has lost the colour of what is 5 px wide, and sooner where its file keeps colour at half its
size: of labelled portraits at 2.8 px/mm, saved with halved colour at quality 85 and 95 and with whole colour
at 85 and 92, 6, 3, 1 and no permanent marks were healed; at 2.4 px/mm it was 4, 2 and, with whole colour, 8.
All 24 had such a brown share."""
_CROWD_IF_COARSE = 8.0
"""Likely permanent marks around a find, on a face as small, from which it may be one of them. Two reddish
freckles of 23 in a field of them, and a mole of 0.7 mm beside nine, were healed on photos from elsewhere; two
of 152 heals of blemishes on shrunk portraits go by it."""
_LEAST_PX = 3.0
"""A mark narrower than this has lost its colour: that mole was 1.6 px wide. Of 153 healed blemishes none is,
on shrunk portraits three of 265."""
_LEAST_BLUE = 0.92
"""Of skin's unevenness in green, what it must have in blue for a mole to be told from blood. Of 90 labelled
portraits it is 1.0 and more, under curves that lift blue shadows as faded film does 0.4 to 0.9; there 54 of
246 permanent marks were healed, and 82 in a cross-processed look."""
_LEAST_SKIN_REDNESS = 0.0
"""Of the skin, in density. In 90 labelled portraits it is 0.22 and more, in faded ones 0.08; in green light,
where 13 of 246 permanent marks were healed, -0.83 to 0.41, and where it is above 0 one of them was."""
_FAINT_RISK = 0.2
"""Of the risk that is taken otherwise, what may be taken of a blotch without an outline: only the network
says where it is. Four blemishes are healed by it, and three places where there is nothing."""
_SEEN_AS_PERMANENT = 0.97
_JUDGED_PERMANENT = 0.6
_LIKELIER_PERMANENT = 0.6
"""Odds of a permanent mark, by the first network anywhere in a spot, by the second of the whole spot, and by
the trees, above which nothing outweighs them. They decide nothing that the risk does not, of all that was
seen: they are there for what it was not fitted on, as for what the usual rendering would turn red where the
skin is taken for paler than it is."""
_SEEN_AS_BLEMISH = 0.5
"""Odds of a blemish by the first network from which what else is called permanent is offered: dark scabs."""
_LONG = 3.0
_A_LINE = 0.03
"""Odds below which something long and thin is taken for a line and kept; above, a person is asked."""
_RED = 0.03
"""Rise in redness below which a mark is neither red nor healed unasked."""
_LEAST_EDGE = 0.25
"""Distance from where the skin ends, in its own diameters, of a spot healed unasked."""
_UNEVEN = 0.19
"""Spread of the skin around, in optical density, above which nothing is healed unasked: folds of ears, tufts
of hair, shadows. One of 161 blemishes goes unhealed by it, and 4 of 40 places where there is nothing."""
_ALONG = 0.4
_SURE_ALONG = (0.35, 0.8)
"""Coherence of the skin around (:mod:`retouch_engine.detect.grain`) from which a find may be a piece of a
fold, and the odds, by all and by the second network, below either of which it then is not healed unasked.
Two of 162 blemishes go unhealed by it, and 12 of 48 places where there is nothing."""
_SLANTED = 0.48
"""Coherence of the skin right around a find from which the face may bend there."""
_HOLLOW_MM, _ON_THE_SURFACE, _SURE_OF_A_SPOT = 2.5, 4.0, 0.9
"""A hollow's shade is wider than this, and rises above the bend of the skin around by less than so many of
its spreads; from these odds it is a spot all the same. No labelled blemish goes unhealed by it, 2 of 556 in
further looks, one place where there is nothing, and 8 of 168 heals on photos from elsewhere, 7 of them
wrong."""
_FAINT_ON_THE_SURFACE = 6.0
"""The same of what has no outline, which may be as narrow and as sure. One of four such blemishes goes
unhealed by it, and 7 of 11 such heals on photos from elsewhere, five of them wrong; a pimple on a nose has
9."""
_PATCH_MM, _EVEN = 3.0, 0.25
"""On a body, wider than this and with less spread inside (of its own rise), a mark may be a birthmark: a tan
patch on a neck was healed in both photos of a person. The evenest of 9 such blemishes has 0.27."""
_COMEDO_MM, _ROUND = 1.6, 1.8
"""A plugged pore is dark without being red or brown, round, and no wider than so many millimetres."""
LIKELY_BLEMISH, LIKELY_PERMANENT = 0.25, 0.4
_ACNE = 2
"""Likely blemishes for one likely permanent mark from which that may be a trace of one."""
FRECKLED = 16
"""Likely permanent marks on one person from which the face counts as freckled. Those within 100 mm of a find
were counted once: on the edge of a freckled face too few."""
SURE_AMONG_FRECKLES = 0.92
"""Of 14 permanent marks that would have been healed on people held out, 9 lay on one freckled face; the
surest of them had odds of 0.89. The faces part here: 15 on one without freckles, 17 on the next with."""


@dataclass(frozen=True, slots=True)
class Bars:
    """The odds from which a find is offered, from which it is healed unasked, and the veto.

    Chosen on people that neither network nor trees had seen; ``spots.md`` has the figures.
    """

    review: float
    sure: float
    risk: float
    """The largest odds of belonging to the person (:mod:`retouch_engine.detect.risk`) of a spot healed
    unasked."""
    brown: float = _BROWN_RISK[1]
    """The share of it that is taken of what is brown."""

    def near(self, heal: float) -> bool:
        """Whether odds lie around the line to healing: from half of it to half way to certainty."""
        return self.sure / 2 <= heal < (self.sure + 1) / 2

    def learned(self, shipped: float, learned: float) -> float:
        """What was learned of a studio; below the line where the shipped odds are less than half of it."""
        return min(learned, math.nextafter(self.sure, 0)) if shipped < self.sure / 2 else learned

    @classmethod
    def at(cls, sensitivity: int) -> Bars:
        """For a sensitivity of 0 to 100; 50 heals wrongly about once on three portraits."""
        doubt = (50 - sensitivity) / 50
        # Who asks for more takes finds for granted that are less sure, hardly more risk of a mole: from 0.3
        # on each step costs more permanent marks than the one before.
        return cls(
            review=0.015 * 2.5**doubt,
            sure=0.25 + (0.5 if doubt > 0 else 0.15) * doubt,
            risk=0.25 * (1.3 if doubt > 0 else 1.08) ** -doubt,
        )

    @classmethod
    def of(cls, recipe: Recipe) -> Bars:
        """For a recipe: where brown spots are to be removed, they are no riskier than others."""
        bars = cls.at(recipe.sensitivity)
        return replace(bars, brown=1.0) if Kind.BROWN_SPOT in recipe.remove else bars


_SHIPPED = Calibration()


def named_find(
    figures: Mapping[str, float], heal: float, keep: float, bars: Bars, taste: Calibration = _SHIPPED
) -> Finding | None:
    """Name a find; None when it is not worth anyone's attention.

    Args:
        figures: the find's figures, :data:`RISK` among them.
        heal: odds that a retoucher would heal it.
        keep: odds that it belongs to the person.
        bars: where the sensitivity puts the lines.
        taste: what was learned of a studio; only how sure a blemish is of being healed asks for it.
    """
    words = f"odds of a blemish {heal:.2f}, of a permanent mark {keep:.2f}, of a mistake {figures[RISK]:.2f}"
    if "melanin" not in figures:
        return _faint(figures, heal, keep, bars, words) if heal >= bars.review else None
    melanin = figures["melanin"]
    words += f", melanin share {melanin:.2f}"
    if heal < bars.review:
        if keep >= LIKELY_PERMANENT and figures["blemish_most"] >= _SEEN_AS_BLEMISH:
            return Finding(
                Kind.BROWN_SPOT, heal, sure=False, reason=f"perhaps a scab, perhaps a mole ({words})"
            )
        if keep < 0.5:
            return None
        return Finding(_permanent(figures), keep, sure=False, reason=f"belongs to the person ({words})")
    if figures["elongation"] > _LONG:
        kind = Kind.LINE if heal < _A_LINE else Kind.UNKNOWN
        return Finding(kind, heal, sure=False, reason=f"long and thin: a hair, a line, a scratch ({words})")
    if figures["melanin"] >= _BROWN and keep > heal:
        return Finding(Kind.BROWN_SPOT, heal, sure=False, reason=f"brown: perhaps permanent ({words})")
    kind = _temporary(figures)
    asked = bars.learned(heal, taste.odds(heal, kind))
    veto = _veto(figures, heal, keep, bars) or ("neither red nor brown" if kind is Kind.UNKNOWN else "")
    doubt = veto or _unsure(figures, heal, asked, bars)
    if doubt:
        # No other photo heals what is brown, lies among freckles or has anything but its odds against it.
        moved = not veto and figures["company"] < FRECKLED and figures["melanin"] <= _BROWN
        close = moved and bars.near(asked)
    else:
        close = bars.near(asked) or figures[RISK] > _risk_taken(figures, bars) / 2
    words += "" if asked == heal else f", learned odds {asked:.2f}"
    return Finding(kind, asked, sure=not doubt, reason=f"{doubt or 'beyond doubt'} ({words})", close=close)


def named_again(figures: Mapping[str, float], sensitivity: int, taste: Calibration) -> Finding | None:
    """What a spot of a record would be called by another taste.

    Raises:
        KeyError: it lacks figures: another detector, or another version, made it.
    """
    if "on_face" not in figures:
        raise KeyError("on_face")  # by a version that knew no folds
    # Records from before say neither how small a face is, how it is shown nor bent: they count all the same.
    shown = {"blue_unevenness": 1.0, "skin_redness": 0.5, "coherence_near": 0.0}
    figures = {"px_per_mm": math.inf, "halved_colour": 0.0, **shown, **figures}
    heal, keep = figures["odds_blemish"], figures["odds_permanent"]
    return named_find(figures, heal, keep, Bars.at(sensitivity), taste)


def freckles(
    finds: Sequence[Mapping[str, float]], heal: Sequence[float], keep: Sequence[float]
) -> list[float]:
    """For each find of one person among how many likely permanent marks it lies.

    Among none where twice as many likely blemishes are, on the person and around the find: acne leaves brown
    marks, too. Of 127 faces with acne two have 16 and 20 such marks, and 38 and 50 likely blemishes; of the
    four labelled faces that count as freckled none has half as many blemishes as freckles, under sixteen
    looks one as many. By the person alone a freckled face with 120 and 160 pimples drawn onto it lost 4 and 6
    labelled freckles, with 1.3 likely blemishes at most around them for one likely permanent mark. Asked of
    the place as well it costs 10 of the 55 heals of those two faces.

    Args:
        finds: the figures of each.
        heal: the odds that it is a blemish.
        keep: that it belongs to the person.
    """
    permanent, blemishes = sum(k >= LIKELY_PERMANENT for k in keep), sum(h >= LIKELY_BLEMISH for h in heal)
    acne = blemishes >= _ACNE * permanent
    return [
        0.0 if acne and f["blemishes_near"] >= _ACNE * f["permanents_near"] else float(permanent)
        for f in finds
    ]


def noted(spots: Sequence[Spot]) -> tuple[str, ...]:
    """What of the whole photo keeps its spots from being healed unasked: how it shows skin."""
    reasons = dict.fromkeys(_odd_colours(s.features) for s in spots if "skin_redness" in s.features)
    odd = tuple(f"{why}: what was found is only offered" for why in reasons if why)
    return odd or ((_GRADED,) if any(s.features.get("graded", 1.0) > 1 for s in spots) else ())


def _faint(figures: Mapping[str, float], heal: float, keep: float, bars: Bars, words: str) -> Finding:
    """What the networks see and no rule can outline."""
    little_risk = figures[RISK] <= _FAINT_RISK * bars.risk and figures["company"] < FRECKLED
    # The shadow at an eye's corner, on a face of 1.2 px/mm, was healed as such a blotch.
    may = little_risk and not _coarse(figures) and not _odd_colours(figures)
    may &= not (_along(figures, heal) or _bent(figures, _FAINT_ON_THE_SURFACE))
    may &= heal >= bars.sure and not _may_be_permanent(figures, keep, bars)
    worn = _worn(figures) if may else ""
    if may and not worn:
        return Finding(Kind.RED_SPOT, heal, sure=True, reason=f"faint, and beyond doubt ({words})")
    why = worn or "faint, without an outline of its own"
    return Finding(Kind.UNKNOWN, heal, sure=False, reason=f"{why} ({words})")


def _unsure(figures: Mapping[str, float], heal: float, asked: float, bars: Bars) -> str:
    """Why the odds are too small to heal a find unasked; empty when they are not.

    ``asked`` are the odds with what was learned of a studio; among freckles, and of brown marks, the shipped
    ones count as well.
    """
    freckled = figures["company"] >= FRECKLED
    brown = figures["melanin"] > _BROWN
    least = max(bars.sure, SURE_AMONG_FRECKLES if freckled else 0.0)
    if (min(heal, asked) if freckled or brown else asked) >= least:
        return ""
    return "not sure enough" + (" among freckles" if freckled else " of a brown mark" if brown else "")


def _along(figures: Mapping[str, float], heal: float) -> bool:
    """Whether a find may be a piece of a fold, a hollow or a shadow's edge, by the shipped odds."""
    unsure = heal < _SURE_ALONG[0] or figures.get("judged_blemish", 0.0) < _SURE_ALONG[1]
    return unsure and figures.get("coherence", 1.0) >= _ALONG


def _bent(figures: Mapping[str, float], rise: float) -> bool:
    """Whether a find may be the light on a bend of the face, from which it rises by less than ``rise``."""
    slanted = figures.get("coherence_near", 1.0) >= _SLANTED
    return slanted and figures.get("prominence", 0.0) < rise


def _shade(figures: Mapping[str, float], heal: float) -> bool:
    """Whether a find may be the shade of a hollow, by the shipped odds."""
    wide = figures["mm"] >= _HOLLOW_MM
    return wide and heal < _SURE_OF_A_SPOT and _bent(figures, _ON_THE_SURFACE)


def _veto(figures: Mapping[str, float], heal: float, keep: float, bars: Bars) -> str:
    """Why a find may not be healed unasked whatever its odds are; empty when it may."""
    if _may_be_permanent(figures, keep, bars):
        return "may belong to the person"
    if odd := _odd_colours(figures) or _worn(figures):
        return odd
    if figures["melanin"] > _DARK[0] and figures["rise_g"] > _DARK[1]:
        return "as brown and dark as a mole"
    if small := _too_small(figures):
        return small
    if figures["ring_skin"] < 0.9 or figures["edge"] < _LEAST_EDGE or figures["ring_spread"] > _UNEVEN:
        return "its place leaves a doubt"
    if not figures["on_face"] and figures["mm"] > _PATCH_MM and figures["inside_spread"] < _EVEN:
        return "an even patch on the body, perhaps a birthmark"
    if _shade(figures, heal):
        return "perhaps the shade of a hollow"
    return "perhaps a piece of a fold" if _along(figures, heal) else ""


def _worn(figures: Mapping[str, float]) -> str:
    """Why a find may be no part of the skin; empty when neither it nor its company speaks for that."""
    among = "several marks here are no skin's, or too much alike: perhaps paint, stones or a veil"
    return no_skin(figures) or (among if among_worn(figures) else "")


def _odd_colours(figures: Mapping[str, float]) -> str:
    """Why the colours of this photo tell no mole from a red spot; empty when they may."""
    if figures["blue_unevenness"] < _LEAST_BLUE:
        return "this photo's look has too little blue to tell a mole by"
    if figures["skin_redness"] < _LEAST_SKIN_REDNESS:
        return "this photo's light leaves too little red to tell a mole by"
    return ""


def _too_small(figures: Mapping[str, float]) -> str:
    """Why the pixels of a mark, or of its face, are too few to tell a mole by; empty when they are not."""
    if _coarse(figures) and figures["melanin"] > _BROWN_IF_COARSE:
        return "brown, on a face too small to tell a mole by"
    if _coarse(figures) and figures["permanents_near"] >= _CROWD_IF_COARSE:
        return "among what may be freckles, on a face too small to tell"
    few = figures["mm"] * figures["px_per_mm"] < _LEAST_PX
    return "too few pixels to tell its colour by" if few else ""


def _coarse(figures: Mapping[str, float]) -> bool:
    """Whether a face is too small for the colour of what is a few pixels wide."""
    return figures["px_per_mm"] < (_COARSE_IF_HALVED if figures["halved_colour"] else _COARSE_PX_PER_MM)


def _may_be_permanent(figures: Mapping[str, float], keep: float, bars: Bars) -> bool:
    """By all that is weighed, or by one witness that nothing outweighs."""
    return (
        figures[RISK] > _risk_taken(figures, bars)
        or keep > _LIKELIER_PERMANENT
        or figures["permanent_most"] > _SEEN_AS_PERMANENT
        # What the second network was not shown is no blemish to the first one either.
        or figures.get("judged_permanent", 1.0) > _JUDGED_PERMANENT
    )


def _risk_taken(figures: Mapping[str, float], bars: Bars) -> float:
    brown = "melanin" in figures and figures["melanin"] > _BROWN_RISK[0]
    graded = figures.get("graded", 1.0) > 1
    of_brown = min(bars.brown, _GRADED_RISK) if graded else bars.brown
    return bars.risk * min(of_brown if brown else 1.0, 1.0 if figures["on_face"] else _BODY_RISK)


def _permanent(figures: Mapping[str, float]) -> Kind:
    """A mole is darker or wider than a freckle; freckles come in company."""
    freckled = figures["company"] >= FRECKLED
    return Kind.FRECKLE if figures["rise_g"] < 0.3 or (freckled and figures["mm"] < 2) else Kind.MOLE


def _temporary(figures: Mapping[str, float]) -> Kind:
    if figures["rise_g"] < 0:
        return Kind.FLAKE
    if figures["rise_red"] < _RED:
        plug = figures["mm"] < _COMEDO_MM and figures["elongation"] < _ROUND
        return Kind.COMEDO if plug else Kind.UNKNOWN
    if figures["melanin"] > 0.3 and figures["rise_g"] > 0.5:
        return Kind.SCAB
    return Kind.PIMPLE if figures["rise_g"] > 0.35 and figures["rise_red"] > 0.22 else Kind.RED_SPOT
