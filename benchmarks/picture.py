"""The README's picture: a piece of a rendered chart before and after, by the engine as it is.

python -m benchmarks.picture [--out .docs/healed.png]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import cv2
import numpy as np
from benchmarks.chart import Chart, eight_bit, render
from benchmarks.files import Pixels, read_photo, write_photo

from retouch_engine import Kind, Order, Recipe, Role, open_engine

SEED = 2026
WIDE, HIGH = 640, 440
SCALE = 0.66
GAP_PX = 6
View = tuple[slice, slice]


def best_view(chart: Chart, healed: list[list[int]]) -> View:
    """Rows and columns around the most heals, with a mole among them where there is one."""
    centres = [(x + w / 2, y + h / 2) for x, y, w, h in healed]
    moles = [(s.cx, s.cy) for s in chart.permanent if s.kind is Kind.MOLE]

    def holds(view: View, points: list[tuple[float, float]]) -> int:
        rows, cols = view
        return sum(
            cols.start + 40 < x < cols.stop - 40 and rows.start + 40 < y < rows.stop - 40 for x, y in points
        )

    height, width = chart.pixels.shape[:2]
    places = itertools.product(range(0, height - HIGH, 40), range(0, width - WIDE, 40))
    views = [(slice(y, y + HIGH), slice(x, x + WIDE)) for y, x in places]
    return max(views, key=lambda v: holds(v, centres) + 0.5 * min(2, holds(v, moles)))


def _shown(pixels: Pixels, view: View) -> Pixels:
    eight = eight_bit(np.asarray(pixels[view], np.uint16))
    return np.asarray(cv2.resize(eight, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA))


def main() -> None:
    """Render, heal, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(".docs/healed.png"))
    out = parser.parse_args().out
    chart = render(seed=SEED)
    with tempfile.TemporaryDirectory() as folder, open_engine() as engine:
        source, staging = Path(folder) / "chart.tif", Path(folder) / "staging"
        staging.mkdir()
        write_photo(source, chart.pixels)
        rendered = engine.retouch(Order(source, staging, Recipe()), lambda _stage: None)
        after = read_photo(rendered.files[Role.RESULT])
    view = best_view(chart, [s["box"] for s in rendered.record["spots"] if s["decision"] == "healed"])
    left, right = _shown(chart.pixels, view), _shown(after, view)
    gap = np.full((left.shape[0], GAP_PX, 3), 255, np.uint8)
    write_photo(out, np.concatenate([left, gap, right], axis=1))
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
