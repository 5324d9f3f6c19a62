"""Photos to and from files, without the engine: what the benchmarks measure it against.

One place for the libraries, with the settings that retouchd itself uses by default: Deflate at level 1 with
predictor, in strips of 64 rows. Packed by libdeflate, whatever the engine packs with: a yardstick stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def write_photo(path: Path, pixels: Pixels, threads: int = 2, **tags: Any) -> None:
    """Write samples as the file's ending says; a JPEG rounds 16 bits to 8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix in {".jpg", ".jpeg"}:
        eight = pixels if pixels.dtype == np.uint8 else (pixels.astype(np.uint32) + 128) // 257
        path.write_bytes(imagecodecs.jpeg_encode(np.asarray(eight, np.uint8), level=95))
    elif suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(pixels, level=4))
    else:
        tifffile.imwrite(
            path,
            pixels,
            photometric="rgb" if pixels.ndim == 3 else "minisblack",
            compression="adobe_deflate",
            compressionargs={"level": 1},
            predictor=True,
            rowsperstrip=64,
            maxworkers=threads,
            metadata=None,
            resolution=(300, 300),
            resolutionunit="INCH",
            **tags,
        )


def read_photo(path: Path, threads: int = 2) -> Pixels:
    """The samples of a file."""
    suffix = path.suffix.lower()
    if suffix in {".jpg", ".jpeg"}:
        return np.asarray(imagecodecs.jpeg_decode(path.read_bytes()))
    if suffix == ".png":
        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    return np.asarray(tifffile.imread(path, maxworkers=threads))
