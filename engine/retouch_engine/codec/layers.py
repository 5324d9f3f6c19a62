"""Heals as named layers that an editor can switch, mask and delete: Photoshop's layers inside a TIFF.

The only module that knows psdtags, whose interface its author calls unstable; hence the pinned version.
Channels are streamed band by band into plain ZIP: Krita misreads ZIP with prediction at 16 bit, and a full
canvas for each channel would take more memory than the photo. A layer is empty outside its own heals, and
carries the same outline once more as a mask, so that painting the mask black takes a heal away.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psdtags
from numpy.typing import NDArray

from retouch_engine.codec.rows import OPAQUE, changed_box, compose_box, on_16_bit, stays_grey
from retouch_engine.types import Bool, Box, Patch, Photo

TAG = 37724
SMALL_PX = 24
"""Heals up to this diameter are small; from there, structure begins to matter."""
_BAND_ROWS = 256
_LEVEL = 1
_HIDDEN = psdtags.PsdLayerFlag.VISIBLE
"""Adobe's documents call this bit "visible"; every program, Photoshop included, reads it as hidden."""
_AMBER = (65535, 45232, 0)
_FORMAT = psdtags.PsdFormat.LE32BIT
_Band = Callable[[Box], NDArray[np.uint16]]
"""Samples ``(rows, w)`` of a channel within a band of the layer."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is told of the heals beside their samples."""

    review: Sequence[tuple[Box, Bool]] = ()
    """Boxes and masks of the spots that a person is asked about: a hidden layer marks them."""
    neural: Collection[int] = ()
    """The patches, by ``spot_id``, that a trained model painted."""


NO_MARKS = Marks()


@dataclass(frozen=True, slots=True)
class Group:
    """One layer: its name, its box, and where in it something is."""

    name: str
    box: Box
    colours: Callable[[Box], NDArray[np.uint16]]
    """``(h, w, 3)`` uint16 within a band; only what is covered counts."""
    covered: Callable[[Box], Bool]
    hidden: bool = False


def heal_tag(
    photo: Photo, patches: Sequence[Patch], marks: Marks, *, over_photo: bool = False
) -> tuple[int, int, int, bytes, bool]:
    """The tag with the layers, as tifffile takes it; for a little-endian file.

    Args:
        photo: the source.
        patches: its heals.
        marks: what is told of them.
        over_photo: whether the photo itself is the lowest layer.
    """
    layers = _layers(photo, patches, marks, over_photo=over_photo)
    mask = psdtags.PsdUserMask(
        colorspace=psdtags.PsdColorSpaceType.RGB, components=(65535, 0, 0, 0), opacity=50
    )
    data = psdtags.TiffImageSourceData(_FORMAT, layers, mask)
    tag: tuple[int, int, int, bytes, bool] = data.tifftag()
    return tag


def layer_block(photo: Photo, patches: Sequence[Patch], marks: Marks) -> bytes:
    """The same layers over the photo, as they stand in a Photoshop document: big-endian."""
    layers = _layers(photo, patches, marks, over_photo=True)
    return bytes(layers.tobytes(psdtags.PsdFormat.BE32BIT))


def _layers(photo: Photo, patches: Sequence[Patch], marks: Marks, *, over_photo: bool) -> Any:
    groups = list(_groups(photo, patches, marks))
    if over_photo:
        groups.insert(0, _background(photo))
    return psdtags.PsdLayers(
        key=psdtags.PsdKey.LAYER_16,
        layers=[_layer(group, grey=stays_grey(photo)) for group in groups],
        has_transparency=not over_photo,
    )


def _background(photo: Photo) -> Group:
    return Group(
        "Background",
        photo.frame,
        lambda box: on_16_bit(photo.pixels[box.slices]),
        lambda box: np.ones((box.height, box.width), np.bool_),
    )


def _groups(photo: Photo, patches: Sequence[Patch], marks: Marks) -> Iterator[Group]:
    neural = [p for p in patches if p.spot_id in marks.neural]
    own = [p for p in patches if p.spot_id not in marks.neural]
    small = [p for p in own if _diameter(p.changed) <= SMALL_PX]
    medium = [p for p in own if _diameter(p.changed) > SMALL_PX]
    for name, members in (("Neural heals", neural), ("Medium heals", medium), ("Small heals", small)):
        if members:
            yield Group(
                name,
                _around([p.box for p in members]),
                lambda box, own=members: compose_box(photo, own, box),  # type: ignore[misc]
                lambda box, own=members: changed_box(own, box),  # type: ignore[misc]
            )
    if marks.review:
        yield Group(
            "Review marks",
            _around([box for box, _ in marks.review]),
            lambda box: np.broadcast_to(np.array(_AMBER, np.uint16), (box.height, box.width, 3)),
            lambda box: _marked(marks.review, box),
            hidden=True,
        )


def _layer(group: Group, *, grey: bool) -> Any:
    box = group.box
    where = psdtags.PsdRectangle(box.y0, box.x0, box.y1, box.x1)
    alpha = lambda band: np.where(group.covered(band), np.uint16(OPAQUE), np.uint16(0))  # noqa: E731

    def colour(number: int) -> _Band:
        return lambda band: np.where(group.covered(band), group.colours(band)[..., number], np.uint16(0))

    ids = psdtags.PsdChannelId
    names = (ids.CHANNEL0,) if grey else (ids.CHANNEL0, ids.CHANNEL1, ids.CHANNEL2)
    channels = [_Streamed(ids.TRANSPARENCY_MASK, box, alpha)]
    channels += [_Streamed(name, box, colour(i)) for i, name in enumerate(names)]
    channels += [_Streamed(ids.USER_LAYER_MASK, box, alpha)]
    flags = psdtags.PsdLayerFlag.PHOTOSHOP5
    return psdtags.PsdLayer(
        name=group.name,
        rectangle=where,
        channels=channels,
        mask=psdtags.PsdLayerMask(default_color=0, rectangle=where),
        flags=flags | _HIDDEN if group.hidden else flags,
        info=[psdtags.PsdString(psdtags.PsdKey.UNICODE_LAYER_NAME, group.name)],
    )


class _Streamed(psdtags.PsdChannel):  # type: ignore[misc]
    """A channel that is made while it is packed; no canvas of it is ever held."""

    def __init__(self, channel: Any, box: Box, band: _Band) -> None:
        super().__init__(channelid=channel, compression=psdtags.PsdCompressionType.ZIP)
        self._box, self._band = box, band

    def tobytes(self, psdformat: Any, /, compression: Any = None) -> tuple[bytes, bytes]:  # noqa: ARG002 - its
        """Channel record and image data, as :class:`psdtags.PsdChannel` gives them; always ZIP."""
        packer = zlib.compressobj(_LEVEL)
        parts = [psdformat.pack("H", self.compression)]
        box = self._box
        for y0 in range(box.y0, box.y1, _BAND_ROWS):
            band = self._band(Box(y0, box.x0, min(y0 + _BAND_ROWS, box.y1), box.x1))
            # Channels are big-endian in either format.
            parts.append(packer.compress(band.astype(">u2").tobytes()))
        data = b"".join([*parts, packer.flush()])
        return psdformat.pack("h", self.channelid) + psdformat.pack_size(len(data)), data


def _marked(review: Sequence[tuple[Box, Bool]], box: Box) -> Bool:
    out = np.zeros((box.height, box.width), np.bool_)
    for where, mask in review:
        if where.meets(box):
            y0, x0 = max(where.y0, box.y0), max(where.x0, box.x0)
            y1, x1 = min(where.y1, box.y1), min(where.x1, box.x1)
            part = mask[y0 - where.y0 : y1 - where.y0, x0 - where.x0 : x1 - where.x0]
            out[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] |= part
    return out


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        min(b.y0 for b in boxes), min(b.x0 for b in boxes), max(b.y1 for b in boxes), max(b.x1 for b in boxes)
    )


def _diameter(changed: Bool) -> float:
    return float(2 * np.sqrt(np.count_nonzero(changed) / np.pi))
