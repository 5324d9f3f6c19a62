"""What a person decided about the spots of one photo, as frozen data: heal this, keep that, add one here.

A correction names its spot by where it lies. What is healed because of it is healed in rounds, in the order
in which the person asked: each round sees the photo as the rounds before left its plan, so that a later
wish never moves a sample of an earlier heal. Therefore nothing is ever taken out of the list; of two wishes
about one spot the later one counts.

Nothing here loads an array library. What is read from disk may have been written by anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from retouch_engine.errors import CorrectionsMistake
from retouch_engine.recipe import Recipe

CORRECTIONS_SCHEMA = "retouchd.corrections/1"
MOST_SPOTS = 20_000
_MOST_SIDE = 65_535
_DIALS = ("sensitivity", "strength")


class Wish(StrEnum):
    """What a person wants of a spot."""

    HEAL = "heal"
    KEEP = "keep"
    """It belongs to the person."""
    REJECT = "reject"
    """There is no blemish: the find was wrong."""
    REVIEW = "review"
    """Not now; ask again."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One wish.

    ``box`` is ``(x, y, width, height)`` in pixels of the photo as stored. ``shape`` holds the spot's mask
    within that box, one bit a pixel, row after row, packed and compressed as :func:`packed_bits` does; empty
    stands for the ellipse that fills the box.
    """

    box: tuple[int, int, int, int]
    wish: Wish
    round: int = 1
    shape: str = ""

    def __post_init__(self) -> None:
        """Check what anybody could have written."""
        x, y, width, height = self.box
        if min(x, y) < 0 or min(width, height) < 1 or max(x + width, y + height) > _MOST_SIDE:
            raise CorrectionsMistake("box", self.box, "x, y, width, height inside the photo")
        if not 1 <= self.round <= MOST_SPOTS:
            raise CorrectionsMistake("round", self.round, f"1 to {MOST_SPOTS}")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = {"box": list(self.box), "wish": str(self.wish), "round": self.round}
        return {**told, "shape": self.shape} if self.shape else told

    @classmethod
    def from_json(cls, told: object) -> Correction:
        """What :meth:`as_json` wrote; other keys are somebody's notes.

        Raises:
            CorrectionsMistake: it is nothing of the kind.
        """
        if not isinstance(told, Mapping):
            raise CorrectionsMistake("spots", told, "a list of objects")
        box, number = told.get("box"), told.get("round", 1)
        if not isinstance(box, list) or len(box) != 4 or not all(_whole(v) for v in box):
            raise CorrectionsMistake("box", box, "four whole numbers")
        if not _whole(number):
            raise CorrectionsMistake("round", number, "a whole number")
        if told.get("wish") not in list(Wish):
            raise CorrectionsMistake("wish", told.get("wish"), ", ".join(Wish))
        shape = told.get("shape", "")
        if not isinstance(shape, str):
            raise CorrectionsMistake("shape", shape, "text")
        x, y, width, height = box
        return cls((x, y, width, height), Wish(told["wish"]), number, shape)


@dataclass(frozen=True, slots=True)
class Corrections:
    """All that a person decided about one photo. Empty: nothing."""

    spots: tuple[Correction, ...] = ()
    strength: int | None = None
    """For this photo instead of the recipe's."""
    sensitivity: int | None = None

    def __bool__(self) -> bool:
        """Whether a person decided anything that changes the result."""
        return bool(self.spots) or self.strength is not None or self.sensitivity is not None

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with this photo's own strength and sensitivity.

        Raises:
            RecipeMistake: one of them is out of its range.
        """
        changes = {name: getattr(self, name) for name in _DIALS if getattr(self, name) is not None}
        return replace(recipe, **changes) if changes else recipe

    def key(self, digest: str) -> str:
        """SHA-256 of everything that decides the pixels: the recipe's digest, and what a person decided."""
        if not self:
            return digest
        told = json.dumps([digest, self.as_json()], sort_keys=True)
        return hashlib.sha256(told.encode("ascii")).hexdigest()

    def rounds(self) -> Iterator[tuple[Correction, ...]]:
        """The wishes of each round, the first round first."""
        for number in sorted({spot.round for spot in self.spots}):
            yield tuple(spot for spot in self.spots if spot.round == number)

    def next_round(self) -> int:
        """The number of a round that follows all others."""
        return max((spot.round for spot in self.spots), default=0) + 1

    def and_then(self, spots: Sequence[Correction]) -> Corrections:
        """These, followed by one more round of wishes."""
        number = self.next_round()
        return replace(self, spots=(*self.spots, *(replace(spot, round=number) for spot in spots)))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        dials = {name: getattr(self, name) for name in _DIALS if getattr(self, name) is not None}
        return {**dials, "spots": [spot.as_json() for spot in self.spots]}

    @classmethod
    def from_json(cls, told: object) -> Corrections:
        """What :meth:`as_json` wrote.

        Raises:
            CorrectionsMistake: the first thing that is wrong with it.
        """
        if not isinstance(told, Mapping):
            raise CorrectionsMistake("corrections", told, "an object")
        spots = told.get("spots", [])
        if not isinstance(spots, list) or len(spots) > MOST_SPOTS:
            raise CorrectionsMistake("spots", type(spots).__name__, f"a list of at most {MOST_SPOTS}")
        dials = {name: told.get(name) for name in _DIALS}
        for name, value in dials.items():
            if value is not None and not (_whole(value) and 0 <= value <= 100):
                raise CorrectionsMistake(name, value, "a whole number from 0 to 100")
        return cls(tuple(Correction.from_json(spot) for spot in spots), **dials)


def packed_bits(bits: bytes) -> str:
    """Bits of a mask as text; :func:`unpacked_bits` is the way back."""
    return base64.b64encode(zlib.compress(bits, 9)).decode("ascii")


def unpacked_bits(shape: str, size: int) -> bytes:
    """The ``size`` bytes behind a shape.

    Raises:
        CorrectionsMistake: it holds anything else.
    """
    unpacker = zlib.decompressobj()
    try:
        bits = unpacker.decompress(base64.b64decode(shape, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise CorrectionsMistake("shape", str(error), "a packed mask") from None
    if len(bits) != size:
        raise CorrectionsMistake("shape", f"{len(bits)} bytes", f"{size} bytes")
    return bits


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
