"""How a thing on skin, or in the air before it, is drawn: outlines of paint, cloth, stone and water.

A kind (``benchmarks.worn_kinds``) says in millimetres and colours what it is made of; from it and a chance
comes a :class:`Drawn`, which knows no photo yet. Coordinates of an outline are in its half widths, y down;
the light comes from the upper left, as in ``benchmarks.marks``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from benchmarks.marks import ragged
from benchmarks.skin import Float, Rng, cloud

from retouch_engine.imaging.density import density

Range = tuple[float, float]
Colour = tuple[float, float, float]
Curve = Float
"""Points ``(n, 2)`` of a closed outline."""
Outline = Callable[[Rng], list[Curve]]
Finish = Callable[[Float, Float, Rng], tuple[Float, Float]]
"""From x and y over a piece: what its own light is multiplied by, and the white light that it throws back."""
Arrangement = Callable[[int, float, Rng], Float]
"""From the count and a distance: the middles of all pieces, ``(n, 2)`` in millimetres."""

_FINER = 3
"""Pixels of a drawing for one of the photo's."""
_SUBPIXEL = 4
"""Binary places of OpenCV's coordinates."""
_AROUND_MM = 1.5
_GRAIN_MM = 0.25
"""Of what lies unevenly: powder, a smear."""
_SHADOW, _SHADOW_MM = 0.4, 0.15


def disc(_rng: Rng) -> list[Curve]:
    """A circle; an ellipse where the part is tall."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False, dtype=np.float32)
    return [np.stack([np.cos(turn), np.sin(turn)], 1)]


def blot(rng: Rng) -> list[Curve]:
    """A disc with an uneven rim."""
    (rim,) = disc(rng)
    out = ragged(np.arctan2(rim[:, 1], rim[:, 0]), rng).astype(np.float32)
    return [rim * (1 + 0.2 * out)[:, None]]


def square(_rng: Rng) -> list[Curve]:
    """A rectangle where the part is tall."""
    return [np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)]


def teardrop(rng: Rng) -> list[Curve]:
    """Pointed above, round below."""
    (rim,) = disc(rng)
    return [np.stack([rim[:, 0] * ((1 + rim[:, 1]) / 2) ** 0.8, rim[:, 1]], 1)]


def heart(_rng: Rng) -> list[Curve]:
    """As on cards."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False, dtype=np.float32)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [np.stack([np.sin(t) ** 3, -y / 16], 1)]


def star(_rng: Rng) -> list[Curve]:
    """Five points."""
    turn = np.arange(10, dtype=np.float32) * np.pi / 5
    far = np.where(np.arange(10) % 2, 0.4, 1.0)
    return [np.stack([far * np.sin(turn), -far * np.cos(turn)], 1).astype(np.float32)]


def petals(rng: Rng) -> list[Curve]:
    """Five discs around a middle."""
    (rim,) = disc(rng)
    turns = np.arange(5) * 2 * np.pi / 5
    return [0.42 * rim + 0.56 * np.array([np.cos(t), np.sin(t)], np.float32) for t in turns]


def lips(_rng: Rng) -> list[Curve]:
    """The print of a mouth, as high as a third of its width."""
    t = np.linspace(-1, 1, 30, dtype=np.float32)
    bow = 0.3 * (1 - t**2) * (1 - 0.3 * np.exp(-((t / 0.15) ** 2)))
    upper = np.concatenate([np.stack([t, -0.06 - bow], 1), np.stack([t[::-1], -0.04 + 0 * t], 1)])
    lower = np.concatenate([np.stack([t, 0.04 + 0 * t], 1), np.stack([t[::-1], 0.06 + 0.36 * (1 - t**2)], 1)])
    return [upper.astype(np.float32), (lower * np.float32(0.92)).astype(np.float32)]


def rays(_rng: Rng) -> list[Curve]:
    """Three lines that part: a cat's whiskers, to be drawn as strokes."""
    return [np.array([(-1, 0.35 * k), (1, 0.7 * k)], np.float32) for k in (-1, 0, 1)]


def cross(_rng: Rng) -> list[Curve]:
    """Two strokes."""
    return [np.array(ends, np.float32) for ends in (((0, -1), (0, 1)), ((-0.8, -0.2), (0.8, -0.15)))]


def net(_rng: Rng) -> list[Curve]:
    """Threads across and down, to be drawn as strokes."""
    steps = np.linspace(-1, 1, 49)
    across = [np.array([(-1, s), (1, s)], np.float32) for s in steps]
    return across + [line[:, ::-1] for line in across]


def _glint(x: Float, y: Float, size: float) -> Float:
    return np.asarray(np.exp(-((x + 0.25) ** 2 + (y + 0.3) ** 2) / size**2), np.float32)


def matt(x: Float, _y: Float, _rng: Rng) -> tuple[Float, Float]:
    """Paint, felt, powder."""
    return np.ones_like(x), np.zeros_like(x)


def glossy(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """Wet, or lacquered."""
    return np.ones_like(x), np.float32(rng.uniform(0.2, 0.5)) * _glint(x, y, 0.2)


def sheen(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """Small and wet all over."""
    shine = rng.uniform(0.15, 0.7) * np.exp(-2 * (x * x + y * y))
    return np.ones_like(x), shine.astype(np.float32)


def bead(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """A ball of glass or wood, a pearl."""
    shade = np.clip(1 - 0.2 * x - 0.35 * y - 0.35 * (x * x + y * y), 0.15, 1.4)
    return shade.astype(np.float32), np.float32(rng.uniform(0.3, 0.7)) * _glint(x, y, 0.18)


def metal(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """A polished ball: it shows the room, bright above and dark at its equator."""
    room = 0.25 + 0.75 * np.clip(0.5 - 0.3 * x - 0.5 * y, 0, 1) ** 2 + 0.3 * (y > 0.45)
    return np.clip(room, 0.1, 1.4).astype(np.float32), np.float32(rng.uniform(0.6, 1.2)) * _glint(x, y, 0.22)


def facets(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """A cut stone: bright and dark side by side, with sparks."""
    turn = np.sign(np.sin(6 * np.arctan2(y, x) + rng.uniform(0, 2 * np.pi)))
    shade = np.clip(0.75 + 0.5 * turn * (0.4 + 0.6 * np.hypot(x, y)), 0.12, 1.5)
    sparks = [_glint(x + dx, y + dy, 0.12) for dx, dy in rng.uniform(-0.4, 0.4, (3, 2))]
    return shade.astype(np.float32), np.asarray(rng.uniform(0.5, 1.0) * sum(sparks), np.float32)


def foil(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """A flat mirror: as bright as what it happens to show, from one side to the other."""
    shade = rng.uniform(0.35, 1.3) + rng.uniform(-0.5, 0.5) * x + 0.3 * y
    return np.clip(shade, 0.15, 1.6).astype(np.float32), np.float32(rng.uniform(0, 0.5)) * _glint(x, y, 0.3)


def water(x: Float, y: Float, rng: Rng) -> tuple[Float, Float]:
    """A drop: dark where the light comes in, bright where it leaves, and a spark."""
    rim = np.clip(4 * (np.hypot(x, y) - 0.75), 0, 1) * (y < 0)
    shade = np.clip((0.9 + 0.3 * y + 0.1 * x) * (1 - 0.3 * rim), 0.4, 1.4)
    return shade.astype(np.float32), np.float32(rng.uniform(0.4, 0.9)) * _glint(x, y, 0.2)


def scattered(count: int, apart_mm: float, rng: Rng) -> Float:
    """Anywhere around a middle; one piece by itself lies in it."""
    return np.asarray(rng.normal(0, apart_mm * (count > 1), (count, 2)), np.float32)


def in_row(count: int, apart_mm: float, rng: Rng) -> Float:
    """Side by side on a slight bow."""
    x = (np.arange(count) - (count - 1) / 2) * apart_mm
    return np.stack([x, -0.02 * x * x + rng.normal(0, 0.1, count)], 1).astype(np.float32)


def in_rows(count: int, apart_mm: float, rng: Rng) -> Float:
    """A pattern of so many rows, each shifted by half a distance."""
    steps = np.arange(count) - (count - 1) / 2
    x, y = np.meshgrid(steps, steps)
    places = apart_mm * np.stack([(x + 0.5 * (np.arange(count) % 2)[:, None]).ravel(), y.ravel()], 1)
    lean = rng.uniform(-0.3, 0.3)
    return np.asarray(places @ [[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]], np.float32)


@dataclass(frozen=True, slots=True)
class Part:
    """One layer of a thing; sizes are shares of the thing's own unless they say millimetres."""

    outline: Outline
    colours: tuple[Colour, ...]
    """sRGB, 0 to 255; of what stains, optical density in red, green and blue."""
    stains: bool = False
    """Lies in or on the skin so thinly that this only becomes darker, or is clear as water."""
    opacity: Range = (0.9, 1.0)
    patchy: float = 0.0
    finish: Finish = matt
    size: float = 1.0
    tall: Range = (1.0, 1.0)
    """Height for its width."""
    at: tuple[float, float] = (0.0, 0.0)
    """In half widths of the thing."""
    stroke_mm: float = 0.0
    """Width of the line by which its outline is drawn; 0 fills it."""
    soft_mm: Range = (0.03, 0.12)


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind: where on a face it is met, how large, of what, and how many of it."""

    places: tuple[str, ...]
    mm: Range
    """Width of one."""
    parts: tuple[Part, ...]
    count: tuple[int, int] = (1, 1)
    """Of rows, where it lies in rows."""
    arranged: Arrangement = scattered
    apart_mm: Range = (5.0, 5.0)
    alike: bool = True
    """All of one size and one colour."""
    raised: bool = False
    """Stands on the skin, or before it: throws a shadow, and shows nothing of the skin's relief."""
    turned: float = 0.0
    """Degrees, to either side."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A thing by itself, float32 ``(n, n)`` at the photo's scale; light is linear, 1 for white paper."""

    cover: Float
    """How much of the skin it hides, 0 to 1."""
    light: Float
    """What it sends back of it itself, ``(n, n, 3)``, weighed by ``cover``."""
    stain: Float
    """What it adds to the skin's optical density, ``(n, n, 3)``."""
    shine: Float
    """White light thrown back."""
    raised: bool

    @classmethod
    def blank(cls, side: int, *, raised: bool) -> Drawn:
        """Nothing yet."""
        cover, light, stain, shine = (np.zeros((side, side, n), np.float32) for n in (1, 3, 3, 1))
        return cls(cover[..., 0], light, stain, shine[..., 0], raised)

    def shrunk(self, side: int) -> Drawn:
        """At fewer pixels."""

        def small(layer: Float) -> Float:
            return np.asarray(cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA))

        return Drawn(small(self.cover), small(self.light), small(self.stain), small(self.shine), self.raised)


def drawn(thing: Thing, px_per_mm: float, rng: Rng) -> Drawn:
    """One thing of a kind, at a photo's scale."""
    count = int(rng.integers(thing.count[0], thing.count[1] + 1))
    middles = thing.arranged(count, rng.uniform(*thing.apart_mm), rng)
    fine = px_per_mm * _FINER
    first = _chosen(thing, rng)
    pieces = [(xy, first if thing.alike else _chosen(thing, rng)) for xy in middles]
    reach = max(float(np.abs(xy).max()) + _reach_mm(thing, mm) for xy, (mm, _) in pieces)
    half = int(np.ceil((reach + _AROUND_MM) * px_per_mm))
    canvas = Drawn.blank(2 * half * _FINER, raised=thing.raised)
    for xy, (mm, colours) in pieces:
        lean = np.radians(rng.uniform(-thing.turned, thing.turned))
        piece = _Piece(half * _FINER + xy * fine, mm / 2 * fine, lean, fine)
        for part, colour in zip(thing.parts, colours, strict=True):
            _lay(canvas, part, colour, piece, rng)
    if thing.raised:
        _shadow(canvas, fine)
    return canvas.shrunk(2 * half)


def _chosen(thing: Thing, rng: Rng) -> tuple[float, list[Colour]]:
    """Width and colours of a piece."""
    return rng.uniform(*thing.mm), [
        part.colours[int(rng.integers(len(part.colours)))] for part in thing.parts
    ]


def _reach_mm(thing: Thing, mm: float) -> float:
    return max(
        mm / 2 * (part.size * max(1.0, part.tall[1]) * 2**0.5 + float(np.abs(part.at).max()))
        for part in thing.parts
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where one of a thing lies on its canvas, in its pixels, of which ``fine`` are a millimetre."""

    middle: Float
    radius: float
    lean: float
    """Radians."""
    fine: float

    def turned(self, points: Float) -> Float:
        """Points around its middle."""
        cos, sin = np.cos(self.lean), np.sin(self.lean)
        return np.asarray(points @ np.array([[cos, sin], [-sin, cos]], np.float32))


def _lay(canvas: Drawn, part: Part, colour: Colour, piece: _Piece, rng: Rng) -> None:
    """One part of one piece, in place."""
    half = np.array([1.0, rng.uniform(*part.tall)], np.float32) * piece.radius * part.size
    middle = piece.middle + piece.turned(np.array(part.at, np.float32) * piece.radius)
    reach = int(np.ceil(2**0.5 * half.max() + (part.stroke_mm + 3 * part.soft_mm[1]) * piece.fine)) + 2
    corner = np.maximum(middle.astype(int) - reach, 0)
    window = (slice(corner[1], corner[1] + 2 * reach), slice(corner[0], corner[0] + 2 * reach))
    share = np.zeros(canvas.cover[window].shape, np.uint8)
    for curve in part.outline(rng):
        points = np.rint((piece.turned(curve * half) + middle - corner) * 2**_SUBPIXEL).astype(np.int32)
        if part.stroke_mm:
            wide = max(1, round(part.stroke_mm * piece.fine))
            cv2.polylines(share, [points], True, 255, wide, cv2.LINE_AA, _SUBPIXEL)
        else:
            cv2.fillPoly(share, [points], 255, cv2.LINE_AA, _SUBPIXEL)
    soft = cv2.GaussianBlur(
        share / np.float32(255), (0, 0), max(0.5, rng.uniform(*part.soft_mm) * piece.fine)
    )
    if part.patchy:
        soft *= np.clip(1 + part.patchy * cloud(soft.shape, _GRAIN_MM * piece.fine, rng), 0, 1.6)
    yy, xx = np.mgrid[: soft.shape[0], : soft.shape[1]].astype(np.float32)
    shade, shine = part.finish(
        (xx + corner[0] - middle[0]) / half[0], (yy + corner[1] - middle[1]) / half[1], rng
    )
    _mix(canvas, window, part, colour, soft * np.float32(rng.uniform(*part.opacity)), shade)
    canvas.shine[window] += soft * shine


def _mix(
    canvas: Drawn, window: tuple[slice, slice], part: Part, colour: Colour, share: Float, shade: Float
) -> None:
    if part.stains:
        added = np.array(colour, np.float32) - np.log(shade)[..., None]
        canvas.stain[window] += share[..., None] * added
        return
    share = np.clip(share, 0, 1)
    light = np.exp(-density(np.array(colour, np.uint8))) * shade[..., None]
    canvas.light[window] += share[..., None] * (light - canvas.light[window])
    canvas.cover[window] += share * (1 - canvas.cover[window])


def _shadow(canvas: Drawn, fine: float) -> None:
    """Below and to the right, in place."""
    away = _SHADOW_MM * fine
    moved = cv2.warpAffine(
        canvas.cover, np.array([[1, 0, away], [0, 1, away]], np.float32), canvas.cover.shape[::-1]
    )
    shadow = _SHADOW * cv2.GaussianBlur(moved, (0, 0), away) * (1 - canvas.cover)
    canvas.stain[...] += shadow[..., None]
