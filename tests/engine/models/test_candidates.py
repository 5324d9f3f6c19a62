"""What is believed of a model that edits whole pictures; and the pairs that one is trained on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from benchmarks.files import write_photo

from retouch_engine import EditWish, Stock, errors, open_editing, write_pairs
from retouch_engine.budget import CUDA, Machine
from retouch_engine.candidates import _planned, edited, windows
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import density, encode
from retouch_engine.stock import Model
from retouch_engine.survey import Cause, Scene
from retouch_engine.types import Photo, PixelScale

H, W = 400, 500
SPOT = (200, 260)


def scene(**changes: Any) -> Scene:
    """Skin but for a strip at the left; nothing protected."""
    skin = np.ones((H, W), np.float32)
    skin[:, :60] = 0
    level, causes = np.zeros((H, W), np.float32), np.zeros((H, W), np.uint16)
    made = Scene(skin, H, W, True, PixelScale(None, "none"), level, causes)
    return replace(made, **changes)


def photo() -> Photo:
    """Even skin with pores and one blemish of 14 px across."""
    rng = np.random.default_rng(5)
    pores = 0.03 * blur(rng.normal(size=(H, W)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.5, 0.9, 1.2], np.float32) + pores[..., None]).astype(np.float32)
    y, x = np.ogrid[:H, :W]
    spot = np.asarray(np.hypot(y - SPOT[0], x - SPOT[1]) <= 7)
    od[..., 1:] += 0.3 * blur(spot.astype(np.float32), 2.0)[..., None]
    return Photo(np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16))


def smooth(shown: Any) -> Any:
    """A model that removes the blemish, and with it every pore, and reddens the whole picture a little."""
    od = density(np.asarray(cv2.medianBlur(np.asarray(cv2.medianBlur(shown, 45)), 45)))
    return np.clip(encode(od + np.array([0.0, 0.05, 0.0], np.float32)), 0, 1)


def darker(share: float, shown: Any) -> Any:
    return share * shown.astype(np.float32) / 255


def test_the_blemish_goes_and_the_pores_stay() -> None:
    given = photo()
    patch = edited(given, scene(), smooth)
    assert patch is not None
    cy, cx = SPOT[0] - patch.box.y0, SPOT[1] - patch.box.x0
    before, after = density(given.pixels[patch.box.slices]), density(patch.pixels)
    core = np.s_[cy - 3 : cy + 4, cx - 3 : cx + 4]
    clean = np.median(before[..., 1])
    assert before[core][..., 1].mean() - clean > 0.2
    assert abs(after[core][..., 1].mean() - clean) < 0.06
    inside = np.s_[cy - 6 : cy + 7, cx - 6 : cx + 7]
    fine = [v[..., 0] - blur(v[..., 0], 1.5) for v in (before, after)]
    assert fine[1][inside].std() == pytest.approx(fine[0][inside].std(), rel=0.25)
    assert patch.changed.mean() < 0.02  # a blemish, and not a face of plastic


def test_what_is_no_skin_or_protected_never_changes() -> None:
    given, level, causes = photo(), np.zeros((H, W), np.float32), np.zeros((H, W), np.uint16)
    level[190:210, 250:270], causes[190:210, 250:270] = 1, Cause.INK

    def wild(shown: Any) -> Any:
        return 1 - shown.astype(np.float32) / 255

    patch = edited(given, scene(level=level, causes=causes), wild)
    assert (
        patch is None
        or not patch.changed[
            190 - patch.box.y0 : 210 - patch.box.y0, 250 - patch.box.x0 : 270 - patch.box.x0
        ].any()
    )
    strip = edited(given, scene(), wild)
    assert strip is None or not strip.changed[:, : max(0, 58 - strip.box.x0)].any()


def test_a_model_that_changes_nothing_or_only_the_mood_gives_no_candidate() -> None:
    given = photo()
    for share in (1.0, 0.9):
        assert edited(given, scene(), partial(darker, share)) is None
    bare = np.zeros((H, W), np.float32)
    assert edited(given, scene(skin=bare), smooth) is None


def test_samples_outside_are_the_photos_own() -> None:
    given = photo()
    patch = edited(given, scene(), smooth)
    assert patch is not None
    own = given.pixels[patch.box.slices]
    assert np.array_equal(patch.pixels[~patch.changed], own[~patch.changed])


@pytest.mark.parametrize("length", [16, 256, 1024, 1040, 1900, 4096, 5000 // 16 * 16])
def test_windows_cover_everything_and_fit_the_model(length: int) -> None:
    made = windows(length)
    assert made[0][0] == 0
    assert made[-1][1] == length
    assert all(b - a == min(length, 1024) for a, b in made)
    assert all(later[0] <= earlier[1] - 128 for earlier, later in pairwise(made))


def a_model(model_id: str, healer: str, rest_mb: int = 8400, peak_mb: int = 13500) -> Model:
    return Model(model_id, healer, Path("/nowhere"), "0" * 64, "MIT", True, "bf16", rest_mb, peak_mb, ("x",))


KLEIN, LORA = a_model("klein", "klein"), a_model("klein-edit-lora", "lora", 200, 200)
WISH = EditWish("klein", "klein-edit-lora", "retouch", (0,))


def test_the_planner_decides_how_it_is_loaded() -> None:
    card = Machine(24_000, "a card", onnx=True, onnx_cuda=True, diffusers=True)
    use = _planned(WISH, Stock((KLEIN, LORA)), card)
    assert (use.device, use.precision, [p.id for p in use.parts]) == (CUDA, "bf16", ["klein-edit-lora"])
    small = _planned(WISH, Stock((KLEIN, LORA)), replace(card, card_mb=10_500))
    assert small.precision == "fp8"
    with pytest.raises(errors.NoRoomForModel, match="needs a card"):
        _planned(WISH, Stock((KLEIN, LORA)), Machine(diffusers=True))
    for stock in (Stock(), Stock((KLEIN,)), Stock((LORA,))):
        with pytest.raises(errors.ModelUnusable, match="not installed"):
            open_editing(WISH, stock)


def pair_of(folder: Path, *, bits: int = 16) -> tuple[Path, Path, Any, Any]:
    """A photo and its result, which differ in two places."""
    rng = np.random.default_rng(1)
    before: Any = rng.integers(0, 2**bits, (300, 420, 3)).astype(np.uint16 if bits == 16 else np.uint8)
    after = before.copy()
    after[40:60, 50:70] //= 2
    after[250:262, 380:400] //= 2
    for name, pixels in (("a.tif", before), ("b.tif", after)):
        write_photo(folder / name, pixels)
    return folder / "a.tif", folder / "b.tif", before, after


BOXES = ((50, 40, 20, 20), (380, 250, 20, 12))


@pytest.mark.parametrize("bits", [8, 16])
def test_pairs_are_the_same_windows_in_the_files_own_samples(tmp_path: Path, bits: int) -> None:
    source, result, before, after = pair_of(tmp_path, bits=bits)
    made = list(write_pairs(source, result, BOXES, tmp_path / "out", 128))
    assert len(made) == 2
    whole = [
        v if bits == 8 else ((v.astype(np.uint32) + 128) // 257).astype(np.uint8) for v in (before, after)
    ]
    for pair, (y, x) in zip(made, ((0, 0), (172, 292)), strict=True):
        shown = [imagecodecs.png_decode(p.read_bytes()) for p in (pair.before, pair.after, pair.mask)]
        cut = np.s_[y : y + 128, x : x + 128]
        assert np.array_equal(shown[0], whole[0][cut])  # not one value is another: no jitter, no profile
        assert np.array_equal(shown[1], whole[1][cut])
        assert np.array_equal(shown[2] == 255, (before[cut] != after[cut]).any(axis=-1))


def test_a_window_holds_what_it_can_and_is_never_larger_than_the_photo(tmp_path: Path) -> None:
    source, result, before, _ = pair_of(tmp_path)
    (one,) = write_pairs(source, result, BOXES, tmp_path / "out", 512)
    assert imagecodecs.png_decode(one.before.read_bytes()).shape == before.shape
    assert list(write_pairs(source, result, ((0, 0, 200, 200),), tmp_path / "none", 128)) == []


def test_a_result_of_another_size_is_refused(tmp_path: Path) -> None:
    source, _, _, after = pair_of(tmp_path)
    write_photo(tmp_path / "c.tif", after[:200])
    with pytest.raises(errors.PairMismatch, match="420 x 200 px; expected its photo's 420 x 300"):
        list(write_pairs(source, tmp_path / "c.tif", BOXES, tmp_path / "out", 128))
