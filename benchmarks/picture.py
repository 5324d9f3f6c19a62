"""The README's picture: a piece of a rendered chart before and after, by the engine as it is.

python -m benchmarks.picture [--out .docs/healed.png]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from benchmarks.chart import eight_bit, render
from benchmarks.files import Pixels, read_photo, write_photo

from retouch_engine import Order, Recipe, Role, open_engine

SEED = 2026
VIEW = (slice(170, 610), slice(780, 1420))
"""Rows and columns of the chart that hold one of everything."""
SCALE = 0.66
GAP_PX = 6


def _shown(pixels: Pixels) -> Pixels:
    eight = eight_bit(np.asarray(pixels[VIEW], np.uint16))
    return np.asarray(cv2.resize(eight, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA))


def main() -> None:
    """Render, heal, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(".docs/healed.png"))
    out = parser.parse_args().out
    before = render(seed=SEED).pixels
    with tempfile.TemporaryDirectory() as folder, open_engine() as engine:
        source, staging = Path(folder) / "chart.tif", Path(folder) / "staging"
        staging.mkdir()
        write_photo(source, before)
        rendered = engine.retouch(Order(source, staging, Recipe()), lambda _stage: None)
        after = read_photo(rendered.files[Role.RESULT])
    left, right = _shown(before), _shown(after)
    gap = np.full((left.shape[0], GAP_PX, 3), 255, np.uint8)
    write_photo(out, np.concatenate([left, gap, right], axis=1))
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
