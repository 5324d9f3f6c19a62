"""A chart of rendered skin whose every blemish is known: for tests, the demo and the benchmarks.

The same seed gives the same samples. ``pixels`` carries everything, ``clean`` the same without the
blemishes; the two are equal outside the blemishes' circles, and ``clean`` keeps moles, freckles and hairs.

    python -m benchmarks.chart --size 3000 2000 --seed 1 --out chart.tif
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks import marks, skin
from benchmarks.features import Curve, Region, curve, draw_eye, draw_hairs, draw_lips
from benchmarks.files import write_photo
from benchmarks.marks import TrueSpot
from numpy.typing import NDArray

from retouch_engine import Kind

BACKDROP = (104, 112, 122)
RADII_MM = {
    Kind.PIMPLE: (0.9, 2.2),
    Kind.RED_SPOT: (0.7, 1.4),
    Kind.SCAB: (0.7, 1.2),
    Kind.MOLE: (0.7, 1.9),
    Kind.FRECKLE: (0.3, 0.7),
}
PER_PANEL = {Kind.MOLE: 4, Kind.PIMPLE: 4, Kind.RED_SPOT: 3, Kind.SCAB: 1}
"""For each 5000 square millimetres of panel, at least one of each."""
FRECKLES = 26
HAIRS = 7


@dataclass(frozen=True, slots=True)
class Chart:
    """A rendered picture and its truth. Arrays are ``(H, W, 3)`` uint16, sRGB curve, read-only."""

    pixels: NDArray[np.uint16]
    clean: NDArray[np.uint16]
    spots: tuple[TrueSpot, ...]
    hairs: tuple[Curve, ...]
    regions: tuple[Region, ...]
    panels: tuple[Region, ...]
    px_per_mm: float
    seed: int

    @property
    def blemishes(self) -> tuple[TrueSpot, ...]:
        """What a retoucher removes."""
        return tuple(s for s in self.spots if not s.permanent)

    @property
    def permanent(self) -> tuple[TrueSpot, ...]:
        """Moles and freckles: what must stay."""
        return tuple(s for s in self.spots if s.permanent)

    @property
    def blemished(self) -> NDArray[np.bool_]:
        """True inside the circles of the blemishes."""
        shape = (self.pixels.shape[0], self.pixels.shape[1])
        mask = np.zeros(shape, np.bool_)
        for spot in self.blemishes:
            rows, cols = marks.patch_of(spot, shape)
            mask[rows, cols] |= marks.reach(spot, shape)[0] < 1
        return mask

    def eight_bit(self) -> NDArray[np.uint8]:
        """The picture as a JPEG's worth of samples."""
        return eight_bit(self.pixels)


def eight_bit(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """16-bit samples rounded to 8."""
    return np.asarray((pixels.astype(np.uint32) + 128) // 257, np.uint8)


def render(
    width: int = 3000,
    height: int = 2000,
    *,
    seed: int = 1,
    px_per_mm: float = 16.0,
    tones: tuple[str, ...] = ("fair", "light", "tan", "dark"),
    relief: float = 0.04,
) -> Chart:
    """Render a chart: one panel of skin for each tone, on a grey backdrop.

    ``relief`` is the deviation of the pores and furrows in optical density; 0.02 is smooth skin, 0.06
    coarse. Panels that are large enough carry an eye with its brow or a mouth.
    """
    rng = np.random.default_rng(seed)
    shape = (height, width)
    panels = _layout(shape, len(tones))
    od = _skin(shape, panels, tones, px_per_mm, relief, rng)
    regions = [r for i, p in enumerate(panels) for r in _region(p, i, px_per_mm)]
    spots = [s for p in panels for s in _place(p, regions, px_per_mm, rng)]
    hairs = [h for p in panels for h in _hairs(p, spots, regions, px_per_mm, rng)]
    for region in regions:
        if region.name == "eye":
            draw_eye(od, region, rng, px_per_mm)
        else:
            draw_lips(od, region, rng)
    for spot in spots:
        if spot.permanent:
            marks.paint(od, spot, rng)
    draw_hairs(od, hairs, 0.085 * px_per_mm, 1.5)
    noise = skin.sensor(shape, rng)
    clean = skin.develop(od, noise)
    pixels = clean.copy()
    for spot in spots:
        if not spot.permanent:
            _blemish(pixels, od, noise, spot, rng)
    for array in (pixels, clean):
        array.setflags(write=False)
    return Chart(pixels, clean, tuple(spots), tuple(hairs), tuple(regions), panels, px_per_mm, seed)


def _layout(shape: tuple[int, int], count: int) -> tuple[Region, ...]:
    """Panels in a grid with a margin, as square as they come."""
    cols = max(1, round(float(np.sqrt(count * shape[1] / shape[0] / 1.3))))
    cols = min(cols, count)
    rows = -(-count // cols)
    gap = max(4, min(shape) // 40)
    h, w = (shape[0] - gap) // rows, (shape[1] - gap) // cols
    cells = [(i // cols, i % cols) for i in range(count)]
    return tuple(
        Region("skin", gap + r * h, gap + c * w, gap + r * h + h - gap, gap + c * w + w - gap)
        for r, c in cells
    )


def _skin(
    shape: tuple[int, int],
    panels: tuple[Region, ...],
    tones: tuple[str, ...],
    px_per_mm: float,
    relief: float,
    rng: skin.Rng,
) -> skin.Float:
    """Optical density of the backdrop and of bare skin on every panel."""
    slope = (
        np.linspace(0, 0.35, shape[1], dtype=np.float32)
        + np.linspace(0, 0.25, shape[0], dtype=np.float32)[:, None]
    )
    od = skin.density(BACKDROP) + slope[..., None]
    bumps = skin.relief(shape, px_per_mm, rng)
    brown = 0.045 * skin.cloud(shape, 7 * px_per_mm, rng) + 0.02 * skin.cloud(shape, 1.6 * px_per_mm, rng)
    blood = 0.06 * skin.cloud(shape, 5 * px_per_mm, rng) + 0.025 * skin.cloud(shape, 1.1 * px_per_mm, rng)
    for panel, tone in zip(panels, tones, strict=True):
        box = slice(panel.y0, panel.y1), slice(panel.x0, panel.x1)
        edge, x, y = _edge(panel)
        light = -0.9 * np.log(np.sqrt(np.clip(1 - 0.72 * edge, 0.1, 1))) + 0.5 * slope[box] - 0.1
        sheen = 0.2 * np.exp(-((x + 0.35) ** 2 + (y + 0.4) ** 2) / 0.12)
        grain = relief * bumps[box]
        grey = light - sheen * (1 - 6 * grain)
        flesh = skin.density(skin.TONES[tone]) + grey[..., None] + grain[..., None] * skin.RELIEF
        flesh += brown[box][..., None] * skin.MELANIN + blood[box][..., None] * skin.HAEMOGLOBIN
        alpha = np.clip((1 - edge) * min(edge.shape) / 10, 0, 1)[..., None]
        od[box] += alpha * (flesh - od[box])
    return np.asarray(od, np.float32)


def _edge(panel: Region) -> tuple[skin.Float, skin.Float, skin.Float]:
    """How near the panel's rounded rim each pixel is: 0 in the middle, 1 on the rim; and x, y in -1..1."""
    x = np.linspace(-1, 1, panel.x1 - panel.x0, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, panel.y1 - panel.y0, dtype=np.float32)[:, None]
    return np.asarray(x**4 + y**4, np.float32), x, y


def _region(panel: Region, index: int, px_per_mm: float) -> list[Region]:
    """An eye on the first panel, a mouth on the third, where there is room for skin beside it."""
    name, wide, high = (("eye", 30.0, 24.0), ("", 0, 0), ("lips", 38.0, 17.0), ("", 0, 0))[index % 4]
    w, h = int(wide * px_per_mm), int(high * px_per_mm)
    if not name or w > 0.5 * (panel.x1 - panel.x0) or h > 0.6 * (panel.y1 - panel.y0):
        return []
    x0 = panel.x0 + int(0.14 * (panel.x1 - panel.x0))
    y0 = panel.y0 + int(0.16 * (panel.y1 - panel.y0))
    return [Region(name, y0, x0, y0 + h, x0 + w)]


def _place(panel: Region, regions: list[Region], px_per_mm: float, rng: skin.Rng) -> list[TrueSpot]:
    """Marks on one panel: none touches another, the rim or a region."""
    share = (panel.x1 - panel.x0) * (panel.y1 - panel.y0) / px_per_mm**2 / 5000
    wanted = [k for k, n in PER_PANEL.items() for _ in range(max(1, round(n * share)))]
    cx, cy = rng.uniform(-0.3, 0.5), rng.uniform(-0.2, 0.4)
    placed: list[TrueSpot] = []
    for kind in wanted + [Kind.FRECKLE] * max(1, round(FRECKLES * share)):
        for _ in range(60):
            if kind is Kind.FRECKLE:
                x, y = cx + rng.normal(0, 0.2), cy + rng.normal(0, 0.22)
            else:
                x, y = rng.uniform(-0.85, 0.85, 2)
            r = float(rng.uniform(*RADII_MM[kind])) * px_per_mm
            spot = TrueSpot(
                kind,
                round(float(panel.x0 + (x + 1) / 2 * (panel.x1 - panel.x0)), 1),
                round(float(panel.y0 + (y + 1) / 2 * (panel.y1 - panel.y0)), 1),
                round(max(r, 2.0), 1),
            )
            if x**4 + y**4 < 0.55 and _free(spot, placed, regions, px_per_mm):
                placed.append(spot)
                break
    return placed


def _free(spot: TrueSpot, placed: list[TrueSpot], regions: list[Region], px_per_mm: float) -> bool:
    """Whether a mark keeps its distance from the others."""
    if any(r.holds(spot.cx, spot.cy, spot.r + 2 * px_per_mm) for r in regions):
        return False
    for other in placed:
        both = spot.kind is Kind.FRECKLE and other.kind is Kind.FRECKLE
        gap = (0.2 if both else 1.5) * px_per_mm
        if np.hypot(spot.cx - other.cx, spot.cy - other.cy) < spot.r + other.r + gap:
            return False
    return True


def _hairs(
    panel: Region, spots: list[TrueSpot], regions: list[Region], px_per_mm: float, rng: skin.Rng
) -> list[Curve]:
    """Stray hairs on one panel, clear of its marks."""
    w, h = panel.x1 - panel.x0, panel.y1 - panel.y0
    found: list[Curve] = []
    for _ in range(200):
        x, y = panel.x0 + rng.uniform(0.12, 0.88) * w, panel.y0 + rng.uniform(0.12, 0.88) * h
        length = min(rng.uniform(6, 26) * px_per_mm, 0.5 * min(w, h))
        c = curve(x, y, rng.uniform(0, 6.28), length, rng.uniform(-0.5, 0.5))
        u = np.abs((c - (panel.x0, panel.y0)) / (w, h) * 2 - 1)
        near = any(np.hypot(*(c - (s.cx, s.cy)).T).min() < s.r + px_per_mm for s in spots)
        near = near or any(r.holds(float(p[0]), float(p[1]), px_per_mm) for r in regions for p in c)
        if not near and float((u**4).sum(1).max()) < 0.8:
            found.append(c)
        if len(found) == max(1, round(HAIRS * w * h / px_per_mm**2 / 5000)):
            break
    return found


def _blemish(
    pixels: NDArray[np.uint16], od: skin.Float, noise: skin.Float, spot: TrueSpot, rng: skin.Rng
) -> None:
    """Develop one blemish into the picture; nothing at or beyond its radius changes."""
    shape = (od.shape[0], od.shape[1])
    rows, cols = marks.patch_of(spot, shape)
    local = TrueSpot(spot.kind, spot.cx - cols.start, spot.cy - rows.start, spot.r)
    patch = od[rows, cols].copy()
    marks.paint(patch, local, rng)
    inside = marks.reach(spot, shape)[0] < 1
    pixels[rows, cols][inside] = skin.develop(patch, noise[rows, cols])[inside]


def main() -> None:
    """Write one chart to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description=__doc__)
    parser.add_argument("--size", nargs=2, type=int, default=(3000, 2000), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--px-per-mm", type=float, default=16.0)
    parser.add_argument("--clean", action="store_true", help="without the blemishes")
    parser.add_argument(
        "--out", type=Path, required=True, help="the ending decides: .tif, .png 16 bit, .jpg 8"
    )
    args = parser.parse_args()
    chart = render(*args.size, seed=args.seed, px_per_mm=args.px_per_mm)
    write_photo(args.out, chart.clean if args.clean else chart.pixels)


if __name__ == "__main__":
    main()
