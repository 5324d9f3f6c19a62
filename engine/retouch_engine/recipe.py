"""What to do to a photo, as frozen data: kinds of spots, what becomes of each, how strongly.

Nothing here loads an array library, so that a configuration can be checked without one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from retouch_engine.errors import RecipeMistake
from retouch_engine.learned import learned_files
from retouch_engine.version import __version__


class Kind(StrEnum):
    """What a spot is."""

    PIMPLE = "pimple"
    RED_SPOT = "red_spot"
    SCAB = "scab"
    FLAKE = "flake"
    WHITEHEAD = "whitehead"
    COMEDO = "comedo"
    BROWN_SPOT = "brown_spot"
    MOLE = "mole"
    FRECKLE = "freckle"
    SCAR = "scar"
    TATTOO = "tattoo"
    LINE = "line"
    HAIR = "hair"
    UNKNOWN = "unknown"
    PAINTED = "painted"


class Compression(StrEnum):
    """How the TIFF samples are packed; each is read by Lightroom and Photoshop."""

    DEFLATE = "deflate"
    LZW = "lzw"
    NONE = "none"


class Layers(StrEnum):
    """Which files carry the heals as named layers."""

    HEAL = "heal"
    """The heal layer's file: Photoshop, Affinity Photo and Krita open it as layers."""
    FLAT = "flat"
    """None; the heal layer is one plain layer."""
    EMBEDDED = "embedded"
    """The result too, with the photo as its lowest layer: twice as large, and slower."""


class Body(StrEnum):
    """What becomes of spots on skin that is no face: neck, shoulders, arms, back."""

    HEAL = "heal"
    """The same as on a face."""
    REVIEW = "review"
    """Offered to a person, never healed by themselves."""
    KEEP = "keep"


class Agree(StrEnum):
    """Whether photos of one sitting follow what was decided in those before."""

    OFF = "off"
    KEEP = "keep"
    """What was left before is left again; nothing is healed because of another photo."""
    BOTH = "both"
    """What was healed before is healed too, where only the odds were a little short of it."""


PERMANENT = frozenset({Kind.MOLE, Kind.FRECKLE, Kind.SCAR, Kind.TATTOO, Kind.LINE, Kind.HAIR})
"""Kinds that belong to the person: kept unless a recipe names them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one photo is retouched. Two recipes with the same digest give the same pixels.

    Raises:
        RecipeMistake: a value is out of its range.
    """

    preset: str = "studio"
    sensitivity: int = 50
    """0-100: how faint a spot may be and still be found. 50 is cautious."""
    strength: int = 100
    """0-100: how much of each heal is applied; texture contrast stays whole at every value."""
    remove: tuple[Kind, ...] = (Kind.PIMPLE, Kind.RED_SPOT, Kind.SCAB, Kind.WHITEHEAD, Kind.FLAKE)
    """Kinds that are healed when the detector is sure."""
    review: tuple[Kind, ...] = (Kind.BROWN_SPOT, Kind.COMEDO, Kind.UNKNOWN)
    """Kinds that are offered to a person and never healed by themselves. The rest are kept."""
    largest_px: int = 400
    """Spots with a larger diameter are offered for review, in pixels of the photo."""
    largest_mm: float = 15.0
    """The same in millimetres of skin, wherever a face says how long they are: an areola is wider."""
    largest_healed_share: float = 0.05
    """When heals would cover more of a face than this, nothing on it is healed and all is for review; two
    fifths of it for each person's body, and for all skin where no face is known. Of 127 faces with acne 16
    had more than a fiftieth to heal, red marks nearly all, and the worst 3.9 %; of 1,161 photos from
    elsewhere none."""
    body: Body = Body.HEAL
    """What becomes of spots that lie on no face."""
    agree: Agree = Agree.BOTH
    """Whether the decisions of the sitting's other photos count. Of 190 spots that were healed in either
    of two nearly identical frames of 30 people 49 were left in the other; so 35 of 176 are."""
    seed: int = 0
    """Seeds every random choice, so that the same photo gives the same pixels."""
    models: tuple[str, ...] = ()
    """The models that may be used, as ``id@digest``: another file of the same name is another recipe."""
    calibration: tuple[tuple[str, float], ...] = ()
    """What was learned of a studio's own taste, by name; see :mod:`retouch_engine.calibration`."""

    def __post_init__(self) -> None:
        """Check every range and put the kinds into one order."""
        for name in ("sensitivity", "strength"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value <= 100:
                raise RecipeMistake(name, value, "a whole number from 0 to 100")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise RecipeMistake("seed", self.seed, "a whole number from 0")
        if not 1 <= self.largest_px <= 4000:
            raise RecipeMistake("largest_px", self.largest_px, "1 to 4000")
        if not 0 < self.largest_healed_share <= 1:
            raise RecipeMistake("largest_healed_share", self.largest_healed_share, "over 0, up to 1")
        if not 0 < self.largest_mm <= 1000:
            raise RecipeMistake("largest_mm", self.largest_mm, "over 0, up to 1000")
        for name, words in (("body", Body), ("agree", Agree)):
            if getattr(self, name) not in list(words):
                raise RecipeMistake(name, getattr(self, name), ", ".join(words))
            object.__setattr__(self, name, words(getattr(self, name)))
        self._check_kinds()
        self._check_calibration()

    def _check_kinds(self) -> None:
        """Put the kinds into one order; each is in one list only."""
        for name in ("remove", "review"):
            try:
                kinds = tuple(sorted({Kind(k) for k in getattr(self, name)}))
            except ValueError:
                raise RecipeMistake(name, getattr(self, name), ", ".join(Kind)) from None
            object.__setattr__(self, name, kinds)
        both = set(self.remove) & set(self.review)
        if both:
            raise RecipeMistake("review", sorted(both), "kinds that remove does not name already")

    def _check_calibration(self) -> None:
        """Only names that mean something, each once, and numbers that make sense."""
        known = {"slope": (0.2, 5.0), "bias": (-4.0, 4.0)} | dict.fromkeys(map(str, Kind), (-4.0, 4.0))
        pairs = []
        for name, value in self.calibration:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            low, high = known.get(name, (1.0, 0.0)) if isinstance(name, str) else (1.0, 0.0)
            if not (number and low <= value <= high):
                raise RecipeMistake(f"calibration.{name}", value, f"a known name, {low:g} to {high:g}")
            pairs.append((name, float(value)))
        object.__setattr__(self, "calibration", tuple(sorted(dict(pairs).items())))

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the pixels: this recipe, the engine's version, its learned files."""
        decides = [__version__, learned_files(), self.as_json()]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode("ascii")).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values. Models and a calibration are named only where there are any."""
        values = asdict(self)
        empty = {k for k in ("models", "calibration") if not values[k]}
        return {k: v for k, v in values.items() if k not in empty}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that :meth:`as_json` wrote."""
        known = {f.name for f in fields(cls)}
        extra = sorted(set(values) - known)
        if extra:
            raise RecipeMistake(extra[0], values[extra[0]], ", ".join(sorted(known)))
        lists = {k: tuple(values[k]) for k in ("remove", "review", "models") if k in values}
        pairs = {k: tuple(map(tuple, values[k])) for k in ("calibration",) if k in values}
        return cls(**{**values, **lists, **pairs})


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine accepts at all. Checked from the header, before anything is decoded."""

    max_megapixels: float = 300.0
    max_side_px: int = 65_000
    """Lightroom's own limit."""
    min_side_px: int = 16
    """Smaller pictures are icons and probes; no pore has room there."""


@dataclass(frozen=True, slots=True)
class Signing:
    """With what results are signed (C2PA)."""

    certificate: str
    """Path of a PEM file: the certificate, then those that vouch for it."""
    key: str
    """Path of the private key's PEM file, which only its owner may read."""
    algorithm: str = "es256"
    timestamp_url: str = ""
    """Of a server that vouches for the time; empty: none is asked."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How results are written; none of it changes a pixel."""

    compression: Compression = Compression.DEFLATE
    threads: int = 2
    """Threads for packing and unpacking samples."""
    layers: Layers = Layers.HEAL
    """Named layers; every other program reads the flat picture of the same file."""
    psd: bool = False
    """Also a Photoshop document with the photo and the heals as layers."""
    signing: Signing | None = None
    """None: results are not signed."""
