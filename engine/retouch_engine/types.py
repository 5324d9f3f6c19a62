"""The engine's nouns: frozen, checked where they are made, with read-only arrays.

Pixels are in the photo's own encoding and colour space unless a name says otherwise. Boxes are half open,
rows before columns. A mask is a bool array, True where something is to be healed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NewType, cast

import numpy as np
from numpy.typing import NDArray

from retouch_engine.recipe import Kind

HealerId = NewType("HealerId", str)
DetectorId = NewType("DetectorId", str)

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]
Reals = NDArray[np.float64]
Places = NDArray[np.intp]
"""``(n, 2)``: rows and columns; or ``(n,)``: positions in an array laid out flat."""
Samples = NDArray[np.uint8] | NDArray[np.uint16]


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, read-only."""
    array.setflags(write=False)
    return array


def packed(samples: Samples) -> Samples:
    """The same samples in one block of memory, as OpenCV and littleCMS want them."""
    return cast("Samples", np.ascontiguousarray(samples))


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A half-open rectangle of pixels: rows ``y0`` to ``y1``, columns ``x0`` to ``x1``."""

    y0: int
    x0: int
    y1: int
    x1: int

    def __post_init__(self) -> None:
        """A box has an inside."""
        if self.y1 <= self.y0 or self.x1 <= self.x0:
            raise ValueError(f"empty box {self}")

    @classmethod
    def around(cls, boxes: Sequence[Box]) -> Box:
        """The smallest box that holds all of these, at least one."""
        tops, lefts, bottoms, rights = zip(*((b.y0, b.x0, b.y1, b.x1) for b in boxes), strict=True)
        return cls(min(tops), min(lefts), max(bottoms), max(rights))

    @property
    def height(self) -> int:
        """Rows."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns."""
        return self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an array with."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def grown(self, margin: int, height: int, width: int) -> Box:
        """This box with a margin, cut to a canvas of ``height`` by ``width``."""
        return Box(
            max(0, self.y0 - margin),
            max(0, self.x0 - margin),
            min(height, self.y1 + margin),
            min(width, self.x1 + margin),
        )

    def within(self, outer: Box) -> Box:
        """This box in the coordinates of ``outer``."""
        return Box(self.y0 - outer.y0, self.x0 - outer.x0, self.y1 - outer.y0, self.x1 - outer.x0)

    def common(self, other: Box) -> Box:
        """What this box shares with another that it meets."""
        return Box(
            max(self.y0, other.y0), max(self.x0, other.x0), min(self.y1, other.y1), min(self.x1, other.x1)
        )

    def meets(self, other: Box) -> bool:
        """Whether the two share a pixel."""
        return self.y0 < other.y1 and other.y0 < self.y1 and self.x0 < other.x1 and other.x0 < self.x1


@dataclass(frozen=True, slots=True)
class PixelScale:
    """How many pixels are a millimetre of skin, and how that is known."""

    px_per_mm: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Photo:
    """One decoded photo.

    ``pixels`` is ``(H, W, 3)`` uint8 or uint16 RGB in the file's own encoding; a grey photo repeats its
    one channel and says ``grey``. ``extra`` is ``(H, W, k)`` further channels (alpha) of the same dtype.
    ``profile`` holds the ICC profile byte for byte. ``metadata`` is the codec's business.
    """

    pixels: Samples
    grey: bool = False
    extra: Samples | None = None
    extra_meaning: tuple[int, ...] = ()
    """TIFF ExtraSamples values, one for each extra channel."""
    profile: bytes | None = None
    digest: str = ""
    """SHA-256 of the source file."""
    lossy: bool = False
    """The source was a JPEG: its own blocks look like spots of 3 to 8 px."""
    halved_colour: bool = False
    """It keeps colour at half its size, and rounds it: what is 5 px wide has hardly any of its own."""
    metadata: Any = None
    strips: Any = None
    """Where its samples lie in the file, if results are packed alike; the codec's business as well."""

    def __post_init__(self) -> None:
        """Check the shape and lock the arrays."""
        p = self.pixels
        if p.ndim != 3 or p.shape[2] != 3 or p.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"pixels are {p.dtype} {p.shape}, expected uint8 or uint16 (H, W, 3)")
        frozen(p)
        if self.extra is not None:
            if self.extra.shape[:2] != p.shape[:2] or self.extra.dtype != p.dtype:
                raise ValueError(
                    f"extra channels are {self.extra.dtype} {self.extra.shape}, pixels {p.shape}"
                )
            frozen(self.extra)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return int(self.pixels.dtype.itemsize) * 8

    @property
    def colour_profile(self) -> bytes | None:
        """The profile by which the samples are measured and shown.

        None where it is one for other pictures, grey or CMYK: GIMP and darktable pass over such a profile
        as well. With its red channel alone measured by a grey one, a portrait had none of 12 spots healed.
        """
        if self.profile is None or self.profile[36:40] != b"acsp":
            return self.profile
        fitting = {b"RGB ", b"GRAY"} if self.grey else {b"RGB "}
        return self.profile if self.profile[16:20] in fitting else None

    @property
    def frame(self) -> Box:
        """The whole canvas."""
        return Box(0, 0, self.height, self.width)


@dataclass(frozen=True, slots=True)
class Spot:
    """One find: where it is, what it looks like, how sure the detector is.

    ``mask`` is bool, the shape of ``box``, True on the spot itself (not yet dilated).
    """

    id: int
    box: Box
    mask: Bool
    diameter_px: float
    kind: Kind
    score: float
    """0 to 1: how sure the detector is that a retoucher would call it by this kind."""
    sure: bool
    """Unmistakable: may be healed without anyone looking."""
    reason: str
    features: Mapping[str, float] = field(default_factory=dict)
    close: bool = False
    """Only its odds decide, and they lie near the line between healing and asking: what was decided about it
    in another photo of the sitting may decide instead. Never True where anything but the odds speaks against
    a heal. Of what is to be healed also where its risk comes near: another photo may leave it."""
    held: str = ""
    """Why it stays as it is, whatever the recipe says; empty when nothing holds it."""

    def __post_init__(self) -> None:
        """Check the mask and lock it."""
        if self.mask.shape != (self.box.height, self.box.width) or self.mask.dtype != np.bool_:
            raise ValueError(f"mask is {self.mask.dtype} {self.mask.shape} in {self.box}")
        if not self.mask.any():
            raise ValueError(f"spot {self.id} has an empty mask")
        frozen(self.mask)


@dataclass(frozen=True, slots=True)
class Takes:
    """Which holes a healer is made for, as data: what the route has to know of it."""

    largest_px: float
    """Holes of a larger diameter are not for it."""
    smallest_px: float = 0.0
    structure: bool = False
    """Made for large or elongated holes, where one donor cannot continue what crosses them."""
    at_edges: bool = False
    """Made for holes that touch an edge of the skin."""
    first_from_px: float = float("inf")
    """From this diameter on, and at an edge where it is made for one, it goes before all others."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the route made of a spot: the healers to try, best first, or none and the reason why."""

    spot: Spot
    healers: tuple[HealerId, ...]
    hole: Bool
    """bool, the shape of ``box``: the spot, dilated."""
    box: Box
    reason: str
    review: bool = False
    """True when a person is asked to look; False with no healers means kept."""
    wish: str = ""
    """What a person said about the spot; see :class:`~retouch_engine.corrections.Wish`."""
    narrower: Step | None = None
    """The same with the hole that this one grew from, for where no heal of this one passes the guard."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One composed heal, ready to be laid into the canvas.

    ``pixels`` is ``(h, w, 3)`` uint16 on the 16-bit scale of the result; ``changed`` is bool, True where
    the result may differ from the source. Everywhere else the source's samples stand.
    """

    spot_id: int
    box: Box
    pixels: NDArray[np.uint16]
    changed: Bool

    def __post_init__(self) -> None:
        """Check the shapes and lock the arrays."""
        shape = (self.box.height, self.box.width)
        if self.pixels.shape != (*shape, 3) or self.changed.shape != shape:
            raise ValueError(f"patch {self.pixels.shape} / {self.changed.shape} in {self.box}")
        frozen(self.pixels)
        frozen(self.changed)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says of one heal: which test failed, and the figures."""

    accepted: bool
    failed: str
    """Empty when accepted; else plastic, overload, seam, residual, halo, speck or repeat."""
    figures: Mapping[str, float]
