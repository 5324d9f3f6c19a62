"""``retouchd pairs``: which photos give pairs, and what the listing says. Results by the real engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from benchmarks.files import write_photo
from click.testing import CliRunner, Result

from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouchd.cli import cli
from retouchd.proposals import PROMPT
from retouchd.results import corrections, record

SIDE = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """``a.tif`` with its result; ``b.tif`` without one."""
    rng = np.random.default_rng(2)
    pores = 0.03 * blur(rng.normal(size=(SIDE, SIDE)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.5, 0.9, 1.2], np.float32) + pores[..., None]).astype(np.float32)
    y, x = np.ogrid[:SIDE, :SIDE]
    spot = np.asarray(np.hypot(y - 150, x - 100) <= 8)
    od[..., 1:] += 0.35 * blur(spot.astype(np.float32), 2.0)[..., None]
    pixels = np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16)
    for name in ("a", "b"):
        write_photo(tmp_path / f"{name}.tif", pixels)
    (tmp_path / "mask.png").write_bytes(imagecodecs.png_encode(spot.astype(np.uint8) * 255))
    done = CliRunner().invoke(cli, ["process", str(tmp_path / "a.tif"), "--mask", str(tmp_path / "mask.png")])
    assert done.exit_code == 0, done.output
    (tmp_path / "mask.png").unlink()
    return tmp_path


def pairs(folder: Path, out: str, *words: str) -> Result:
    return CliRunner().invoke(cli, ["pairs", str(folder), "--out", str(folder / out), *words])


def test_pairs_of_untouched_results_alone_with_a_listing_for_training(folder: Path) -> None:
    done = pairs(folder, "set", "--size", "128")
    assert done.exit_code == 0, done.output
    assert "a.tif: 1 pairs" in done.output
    assert "b.tif: 0 pairs, it has no result" in done.output
    (line,) = (json.loads(text) for text in (folder / "set/metadata.jsonl").read_text().splitlines())
    assert line["text"] == PROMPT
    shown = {
        name: imagecodecs.png_decode((folder / "set" / line[f"{name}file_name"]).read_bytes())
        for name in ("", "before_", "mask_")
    }
    source, result = (tifffile.imread(folder / f"a{end}.tif") for end in ("", "-retouched"))
    cut = np.s_[86:214, 36:164]
    for name, whole in (("before_", source), ("", result)):
        assert np.array_equal(shown[name], (whole[cut].astype(np.uint32) + 128) // 257)
    assert np.array_equal(shown["mask_"] == 255, (source[cut] != result[cut]).any(axis=-1))


def test_what_somebody_edited_and_what_was_exported_again_gives_none(folder: Path) -> None:
    was = (folder / "a-retouched.tif").read_bytes()
    (folder / "a-retouched.tif").write_bytes(was + b"!")
    assert "its result was changed since, or is gone" in pairs(folder, "one").output
    (folder / "a-retouched.tif").write_bytes(was)
    (folder / "a.tif").write_bytes((folder / "a.tif").read_bytes() + b"!")
    done = pairs(folder, "two")
    assert (done.exit_code, "its result is that of other bytes" in done.output) == (1, True)


def test_approved_wants_a_persons_word(folder: Path) -> None:
    assert "nobody has approved it" in pairs(folder, "one", "--approved").output
    source = folder / "a.tif"
    memory = corrections.read(source, folder, record.digest_of(source))
    corrections.write(source, folder, replace(memory, approved="2026-01-02T03:04:05+00:00"))
    assert "a.tif: 1 pairs" in pairs(folder, "two", "--approved").output


def test_a_folder_that_holds_something_is_left_alone(folder: Path) -> None:
    done = pairs(folder, ".")
    assert done.exit_code == 2
    assert "is not empty" in done.output
