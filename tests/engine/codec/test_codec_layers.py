"""Named layers: laid over each other they are the result, for every program that is there to read them."""

from __future__ import annotations

import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import psdtags
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retouch_engine import errors
from retouch_engine.codec import layers as layers_module
from retouch_engine.codec.layers import TAG, Marks
from retouch_engine.codec.psd import write_psd
from retouch_engine.codec.rows import compose_box
from retouch_engine.codec.write import write_heal_layer, write_result
from retouch_engine.prove import prove_heal_layer, prove_merged, prove_result
from retouch_engine.recipe import Finish, Layers
from retouch_engine.types import Box, Patch, Photo

FULL = 65535


def photo_of(dtype: type[Any] = np.uint16, *, profile: bytes | None = None, grey: bool = False) -> Photo:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (600, 500, 3)).astype(dtype)
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    return Photo(pixels, profile=profile, grey=grey)


def patch(spot: int, y: int, x: int, size: int, *, grey: bool = False) -> Patch:
    rng = np.random.default_rng(spot)
    pixels = rng.integers(0, FULL, (size, size, 3)).astype(np.uint16)
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    where = np.hypot(*(np.indices((size, size)) - (size - 1) / 2)) <= size / 2
    return Patch(spot, Box(y, x, y + size, x + size), pixels, where)


HEALS = (patch(1, 10, 12, 9), patch(2, 300, 300, 60), patch(3, 560, 480, 15))
REVIEW = Marks(((Box(100, 100, 120, 130), np.ones((20, 30), bool)),))


def layers_of(path: Path) -> Any:
    return psdtags.TiffImageSourceData.fromtiff(str(path)).layers


def laid(layers: Any, under: NDArray[Any]) -> NDArray[Any]:
    """What an editor shows: every visible layer, through its mask."""
    canvas = under.astype(np.float64)
    for layer in layers:
        if layer.flags & psdtags.PsdLayerFlag.VISIBLE:  # the bit that hides
            continue
        top, left, bottom, right = layer.rectangle
        planes = {channel.channelid: channel.data.astype(np.float64) for channel in layer.channels}
        ids = psdtags.PsdChannelId
        alpha = (planes[ids.TRANSPARENCY_MASK] / FULL) * (planes[ids.USER_LAYER_MASK] / FULL)
        colours = [planes[i] for i in (ids.CHANNEL0, ids.CHANNEL1, ids.CHANNEL2) if i in planes]
        where = canvas[top:bottom, left:right, : len(colours)]
        where += (np.stack(colours, axis=-1) - where) * alpha[..., None]
    return canvas


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_layers_over_the_photo_are_the_result(tmp_path: Path, dtype: type[Any]) -> None:
    photo, path = photo_of(dtype), tmp_path / "heal.tif"
    write_heal_layer(path, photo, HEALS, Finish(), REVIEW)
    layers = layers_of(path)
    assert [layer.name for layer in layers] == ["Medium heals", "Small heals", "Review marks"]
    under = compose_box(photo, (), photo.frame)
    assert np.abs(laid(layers, under) - compose_box(photo, HEALS, photo.frame)).max() <= 1
    for layer in layers:
        planes = {channel.channelid: channel.data for channel in layer.channels}
        ids = psdtags.PsdChannelId
        assert np.array_equal(planes[ids.TRANSPARENCY_MASK], planes[ids.USER_LAYER_MASK])
        assert all(channel.compression is psdtags.PsdCompressionType.ZIP for channel in layer.channels)
    # Programs that do not know the block see the flat layer.
    prove_heal_layer(path, photo, HEALS, Finish())


def test_review_marks_are_hidden_and_where_the_spots_are(tmp_path: Path) -> None:
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo_of(), (), Finish(), REVIEW)
    (layer,) = layers_of(path)
    assert layer.flags & psdtags.PsdLayerFlag.VISIBLE
    assert tuple(layer.rectangle) == (100, 100, 120, 130)


def test_what_a_model_painted_has_a_layer_of_its_own(tmp_path: Path) -> None:
    photo, path = photo_of(), tmp_path / "heal.tif"
    write_heal_layer(path, photo, HEALS, Finish(), Marks(neural={2}))
    layers = layers_of(path)
    assert [layer.name for layer in layers] == ["Neural heals", "Small heals"]
    under = compose_box(photo, (), photo.frame)
    assert np.abs(laid(layers, under) - compose_box(photo, HEALS, photo.frame)).max() <= 1


def test_an_embedded_result_has_the_photo_as_its_lowest_layer(tmp_path: Path) -> None:
    photo, path = photo_of(), tmp_path / "result.tif"
    finish = Finish(layers=Layers.EMBEDDED)
    write_result(path, photo, HEALS, finish, b"<x/>", REVIEW)
    layers = layers_of(path)
    assert [layer.name for layer in layers] == ["Background", "Medium heals", "Small heals", "Review marks"]
    result = tifffile.imread(path)
    assert np.abs(laid(layers, np.zeros(photo.pixels.shape)) - result).max() <= 1
    prove_result(path, photo, HEALS, finish, b"<x/>")


def test_flat_files_have_no_layers(tmp_path: Path) -> None:
    for name, finish in (("flat", Finish(layers=Layers.FLAT)), ("none", Finish())):
        path = tmp_path / f"{name}.tif"
        write_heal_layer(path, photo_of(), HEALS if name == "flat" else (), finish)
        with tifffile.TiffFile(path) as tif:
            assert TAG not in tif.pages[0].tags
    path = tmp_path / "result.tif"
    write_result(path, photo_of(), HEALS, Finish(), b"<x/>")
    with tifffile.TiffFile(path) as tif:
        assert TAG not in tif.pages[0].tags


def test_a_grey_profile_keeps_one_channel(tmp_path: Path) -> None:
    photo = photo_of(
        profile=bytes(imagecodecs.cms_profile("gray", whitepoint=(0.3127, 0.329, 1.0), gamma=2.2)), grey=True
    )
    heals = [patch(1, 10, 12, 9, grey=True)]
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, heals, Finish())
    (layer,) = layers_of(path)
    assert len(layer.channels) == 3
    prove_heal_layer(path, photo, heals, Finish())


@given(st.lists(st.one_of(st.binary(max_size=300), st.integers(0, 3 << 20)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_zeros_that_are_packed_once_unpack_in_place(pieces: list[bytes | int]) -> None:
    packer = layers_module._Packer()
    for piece in pieces:
        packer.add_zeros(piece) if isinstance(piece, int) else packer.add(piece)

    whole = b"".join(bytes(p) for p in pieces)
    assert zlib.decompress(packer.packed()) == whole


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400)), max_size=6))
def test_bands_follow_each_other_and_hold_every_box(rows: list[tuple[int, int]]) -> None:
    filled = [Box(y, 3, y + height, 8) for y, height in rows]
    box = Box(0, 0, 1300, 10)
    bands = list(layers_module._bands(box, filled))

    assert [b.y0 for b, _ in bands] == [0, *(b.y1 for b, _ in bands)][:-1]
    assert bands[-1][0].y1 == box.y1
    empty = {y for b, something in bands if not something for y in range(b.y0, b.y1)}
    assert not any(y in empty for f in filled for y in range(f.y0, f.y1))
    assert len(empty) == box.height - len({y for f in filled for y in range(f.y0, f.y1)})


def test_an_empty_canvas_costs_next_to_nothing(tmp_path: Path) -> None:
    photo = Photo(np.zeros((4000, 6000, 3), np.uint16))
    heals = (patch(1, 5, 5, 9), patch(2, 3980, 5980, 9))
    path = tmp_path / "heal.tif"
    write_heal_layer(path, photo, heals, Finish())
    assert path.stat().st_size < 2_000_000


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_photoshop_document_holds_the_result_and_the_layers(tmp_path: Path, dtype: type[Any]) -> None:
    psd_tools = pytest.importorskip("psd_tools", reason="psd-tools is not installed (pip install psd-tools)")
    profile = bytes(imagecodecs.cms_profile("adobergb"))
    photo, path = photo_of(dtype, profile=profile), tmp_path / "layers.psd"
    write_psd(path, photo, HEALS, REVIEW, b"<x/>")
    prove_merged(path, photo, HEALS)
    document = psd_tools.PSDImage.open(path)
    assert (document.depth, document.width, document.height) == (16, 500, 600)
    assert [(layer.name, layer.visible, layer.has_mask()) for layer in document] == [
        ("Background", True, True),
        ("Medium heals", True, True),
        ("Small heals", True, True),
        ("Review marks", False, True),
    ]
    assert document.image_resources.get_data(1039) == profile
    result = compose_box(photo, HEALS, photo.frame)
    assert np.abs(document.numpy()[..., :3] * FULL - result).max() <= 1
    canvas = np.zeros((600, 500, 3))
    for layer in document:
        if layer.visible:
            samples = layer.numpy()
            alpha = samples[..., 3:] * layer.numpy("mask")
            where = canvas[layer.top : layer.bottom, layer.left : layer.right]
            where += (samples[..., :3] * FULL - where) * alpha
    assert np.abs(canvas - result).max() <= 1


def test_a_merged_picture_that_differs_is_found_out(tmp_path: Path) -> None:
    photo, path = photo_of(), tmp_path / "layers.psd"
    write_psd(path, photo, HEALS, Marks(), b"")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.ProofFailed):
        prove_merged(path, photo, HEALS)
    path.write_bytes(b"8BPS")
    with pytest.raises(errors.ProofFailed):
        prove_merged(path, photo, HEALS)


def test_imagemagick_sees_the_layers(tmp_path: Path) -> None:
    magick = shutil.which("identify")
    if magick is None:
        pytest.skip("no ImageMagick on this machine (apt install imagemagick)")
    photo, path = photo_of(), tmp_path / "heal.tif"
    write_heal_layer(path, photo, HEALS, Finish(), REVIEW)
    told = subprocess.run(
        [magick, "-quiet", "-format", "%l|%wx%h%X%Y\n", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = told.stdout.splitlines()
    assert lines, told.stderr
    assert lines[0].endswith("500x600+0+0")
    names = [line.partition("|")[0] for line in lines[1:]]
    if not names:
        pytest.skip(f"this ImageMagick does not read Photoshop's block: {told.stdout!r}")
    assert [n for n in names if n] == ["Medium heals", "Small heals", "Review marks"]
