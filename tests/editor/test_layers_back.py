"""What other programs make of our layers: laid over each other they are the flat result, within 1 of 65,535.

A job of its own (``make test-editors``): the programs are gigabytes, and each takes seconds to start.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from tests.engine.codec.test_codec_layers import HEALS, REVIEW, photo_of

from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.psd import write_psd
from retouch_engine.codec.rows import changed_box, compose_box
from retouch_engine.codec.write import write_heal_layer, write_result
from retouch_engine.imaging.turning import turned
from retouch_engine.recipe import Finish, Layers

pytestmark = pytest.mark.editors
TIMEOUT_S = 600
LAYERS = ["Background", "Medium heals", "Small heals", "Review marks"]
GIMP = """(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "{source}" "{source}")))
 (layers (gimp-image-get-layers image))
 (names (map (lambda (l) (car (gimp-item-get-name l))) (vector->list (cadr layers))))
 (merged (car (gimp-image-merge-visible-layers image CLIP-TO-IMAGE))))
 (call-with-output-file "{names}"
 (lambda (port) (for-each (lambda (n) (display n port) (newline port)) names)))
 (file-tiff-save RUN-NONINTERACTIVE image merged "{out}" "{out}" 0) (gimp-quit 0))"""


@dataclass(frozen=True)
class Files:
    """One photo with heals, in every form that holds layers, and what it is when it is flat."""

    folder: Path
    flat: NDArray[np.uint16]

    def run(self, *words: str | Path) -> None:
        """Run a program with a home of its own."""
        env = {**os.environ, "HOME": str(self.folder), "OMP_NUM_THREADS": "1", "MAGICK_THREAD_LIMIT": "1"}
        done = subprocess.run(
            words, env=env, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def same(self, name: str) -> None:
        """A picture that a program wrote is the flat result, at 16 bit."""
        with tifffile.TiffFile(self.folder / name) as tif:
            page: Any = tif.pages[0]
            found = page.asarray()
        assert found.dtype == np.uint16
        assert found.shape[:2] == self.flat.shape[:2]
        assert np.abs(found[..., :3].astype(np.int64) - self.flat).max() <= 1


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, photo = tmp_path_factory.mktemp("layers"), photo_of()
    write_result(folder / "embedded.tif", photo, HEALS, Finish(layers=Layers.EMBEDDED), b"<x/>", REVIEW)
    write_heal_layer(folder / "heal.tif", photo, HEALS, Finish(), REVIEW, b"a plan")
    write_psd(folder / "layers.psd", photo, HEALS, REVIEW, b"<x/>")
    tifffile.imwrite(folder / "source.tif", photo.pixels, photometric="rgb")
    return Files(folder, compose_box(photo, HEALS, photo.frame))


def needs(*programs: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    missing = [p for p in programs if shutil.which(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not on this machine: {', '.join(missing)}")


@needs("convert", "identify")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("embedded.tif", ("embedded.tif", "-delete", "0,-1")),
        ("layers.psd", ("layers.psd", "-delete", "0,-1")),
        ("heal.tif", ("source.tif", "heal.tif", "-delete", "1,-1")),
    ],
)
def test_imagemagick_lays_them_over_each_other(files: Files, name: str, words: tuple[str, ...]) -> None:
    """All but the merged picture, which comes first, and the review marks, which are hidden."""
    out = f"magick-{name}.tif"
    files.run("convert", *words, "-background", "none", "-layers", "merge", "+repage", "-depth", "16", out)
    files.same(out)
    told = subprocess.run(
        ["identify", "-format", "%l\n", name], cwd=files.folder, capture_output=True, text=True, check=True
    )
    assert told.stderr == "", "no word about tags that it does not know"
    first = 1 if name == "heal.tif" else 0
    assert [n for n in told.stdout.splitlines() if n] == LAYERS[first:]


@needs("gimp")
@pytest.mark.parametrize(("name", "layers"), [("layers.psd", LAYERS), ("embedded.tif", None)])
def test_gimp_lays_them_over_each_other(files: Files, name: str, layers: list[str] | None) -> None:
    """GIMP 2.10 knows layers in a PSD; of a TIFF it opens the flat picture, and says nothing."""
    names, out = files.folder / f"names-{name}", f"gimp-{name}.tif"
    script = GIMP.format(source=files.folder / name, names=names, out=files.folder / out)
    files.run("gimp", "-i", "-d", "-f", "-b", " ".join(script.split()))
    files.same(out)
    found = names.read_text("utf-8").split("\n")[:-1]
    assert len(found) == 1 if layers is None else found[::-1] == layers


@needs("krita", "xvfb-run")
@pytest.mark.parametrize("name", ["layers.psd", "embedded.tif"])
def test_krita_lays_them_over_each_other(files: Files, name: str) -> None:
    for out in (f"krita-{name}.tif", f"krita-{name}.kra"):
        files.run("xvfb-run", "-a", "krita", "--export", "--export-filename", out, name)
    files.same(f"krita-{name}.tif")
    with zipfile.ZipFile(files.folder / f"krita-{name}.kra") as kra:
        told = kra.read("maindoc.xml").decode()
    found = [
        dict(re.findall(r' (name|visible)="([^"]*)"', tag)) for tag in re.findall(r"<layer [^>]*>", told)
    ]
    assert {(layer["name"], layer["visible"]) for layer in found} == {
        (layer, "0" if layer == "Review marks" else "1") for layer in LAYERS
    }


@needs("krita", "xvfb-run")
def test_krita_shows_a_photo_on_its_side_upright(files: Files) -> None:
    """It does not heed the orientation of a picture that has layers."""
    photo = replace(photo_of(), metadata=SourceMetadata(orientation=6))
    write_heal_layer(files.folder / "lying.tif", photo, HEALS, Finish(), REVIEW)
    write_psd(files.folder / "lying.psd", photo, HEALS, REVIEW, b"<x/>")
    seen, healed = (turned(p, 6) for p in (files.flat, changed_box(HEALS, photo.frame)))
    for name in ("lying.tif", "lying.psd"):
        files.run("xvfb-run", "-a", "krita", "--export", "--export-filename", f"krita-{name}.tif", name)
        with tifffile.TiffFile(files.folder / f"krita-{name}.tif") as tif:
            page: Any = tif.pages[0]
            shown = page.asarray()
        # The heal layer is empty beside its heals.
        where = healed if name == "lying.tif" else np.ones_like(healed)
        assert np.abs(shown[where][:, :3].astype(np.int64) - seen[where]).max() <= 1
