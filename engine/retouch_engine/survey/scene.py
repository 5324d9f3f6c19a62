"""One look at the whole photo: faces, scale, skin, and what must never be touched.

With the network each face is found and looked at by itself. Without it, or without a face, skin is what the
colour survey says, sizes are in pixels only, and the notes say so.
"""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from retouch_engine.imaging.colour import is_srgb, to_srgb
from retouch_engine.imaging.density import density
from retouch_engine.kernels.planes import over
from retouch_engine.survey import parts
from retouch_engine.survey.doubt import Maps, cautious, told
from retouch_engine.survey.faces import Crop, Face, Found, find
from retouch_engine.survey.parts import Network, Part
from retouch_engine.survey.people import facial, owners
from retouch_engine.survey.protect import Cause, by_colour, protection
from retouch_engine.survey.second import Opinions, Second
from retouch_engine.survey.skin import coloured
from retouch_engine.survey.suspects import Suspect
from retouch_engine.threads import borrowed
from retouch_engine.types import Bool, Box, Float, Photo, PixelScale, Samples, frozen

_COLOUR_PX = 640
"""Long side of the small picture in which skin is looked for by colour."""
_GRID_PX = 1024
"""Long side of the maps."""
_EAR = 0.5  # odds; the network is hardly ever between 0.2 and 0.7
_HALO = 0.95
"""A face's own look counts to this many of its widths from its middle."""
NO_NETWORK = (
    "onnxruntime is not installed (extra: cpu), so faces are not known: skin was found by colour alone, "
    "and eyes, brows, lips and nostrils are protected only where they differ from skin or are large and dark"
)
Colours = tuple[Samples, Float, Bool]
"""A small copy of a photo, where it has the colour of skin, and dark pieces in that."""
_UNKNOWN = PixelScale(None, "unknown: no face is known, so sizes are in pixels only")
NO_FACE = "no face found: skin was found by colour alone, and sizes are in pixels only"
MAYBE_FACE = (
    "something may be a face, from the side or covered, that is not known for one: "
    "finds near it are offered and not healed"
)
NO_SKIN = "no face found, and little has the colour of skin: taken for a photo without any"
_LEAST_BY_COLOUR, _LEAST_WITH_SUSPECTS = 0.2, 0.12
"""Share of a photo without a face that has the colour of skin, below which it is a cup of coffee and no
shoulder; the smaller one where something may be a face. At 0.12 a spot was healed on a sheet with coloured
pencils (0.14). Only where faces are known: without the network a small face in the distance is not."""


@dataclass(frozen=True)
class Scene:
    """What is known of a photo before spots are looked for.

    ``skin`` is float32, 0 to 1, on a small copy of the photo; :meth:`skin_in` reads it at full size.
    ``level`` is protection in the same way, ``causes`` bits of :class:`Cause` for each cell.
    """

    skin: Float
    height: int
    width: int
    srgb: bool
    """The photo's samples may be measured as sRGB without conversion."""
    scale: PixelScale
    level: Float
    causes: NDArray[np.uint16]
    faces: tuple[Face, ...] = ()
    """Largest first."""
    notes: tuple[str, ...] = ()
    owner: NDArray[np.uint8] | None = None
    """The id of the face that each cell of the maps belongs to; None where no face is known."""
    facial: Bool | None = None
    """Cells of the maps that are a face, and no body; None where no face is known."""
    ears: Bool | None = None
    """Those of them that are an ear."""
    suspects: tuple[Suspect, ...] = ()
    """What may be a face and is none of these."""

    @cached_property
    def skin_share(self) -> float:
        """How much of the photo is skin, 0 to 1."""
        return float(self.skin.mean())

    @property
    def skin_box(self) -> Box | None:
        """What holds all skin, in pixels of the photo; None without any."""
        rows = np.flatnonzero((self.skin > 0.5).any(axis=1))
        columns = np.flatnonzero((self.skin > 0.5).any(axis=0))
        if rows.size == 0:
            return None
        sy, sx = self.height / self.skin.shape[0], self.width / self.skin.shape[1]
        y0, x0, y1, x1 = rows[0] * sy, columns[0] * sx, (rows[-1] + 1) * sy, (columns[-1] + 1) * sx
        return Box(int(y0), int(x0), int(y1), int(x1))

    def people(self) -> tuple[Scene, ...]:
        """The same scene for each person, with that one's skin and scale alone; with one face, itself."""
        if self.owner is None or len(self.faces) < 2:
            return (self,)
        return tuple(
            replace(
                self,
                skin=frozen(np.where(self.owner == face.id, self.skin, np.float32(0))),
                scale=face.scale,
                faces=(face,),
            )
            for face in self.faces
        )

    def person_at(self, box: Box) -> Face | None:
        """The face that the middle of ``box`` belongs to, body included; None where no face is known."""
        if self.owner is None:
            return None
        number = int(self.owner[self._cell(box)])
        return next((face for face in self.faces if face.id == number), None)

    def face_at(self, box: Box) -> Face | None:
        """The face on which the middle of ``box`` lies; None on bodies, and where no face is known."""
        on_face = self.facial is not None and bool(self.facial[self._cell(box)])
        return self.person_at(box) if on_face else None

    def ear_at(self, box: Box) -> bool:
        """Whether the middle of ``box`` lies on an ear; never where no face is known."""
        return self.ears is not None and bool(self.ears[self._cell(box)])

    def suspect_at(self, box: Box) -> bool:
        """Whether the middle of ``box`` may lie on a face that is not known for one, and on none that is."""
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        away = min((suspect.near(x, y) for suspect in self.suspects), default=math.inf)
        return away < min((math.dist((x, y), f.centre) / f.width for f in self.faces), default=math.inf)

    def px_per_mm_at(self, box: Box) -> float | None:
        """Pixels per millimetre of the person that ``box`` belongs to; None where nothing says it."""
        face = self.person_at(box)
        return (face.scale if face else self.scale).px_per_mm

    def _cell(self, box: Box) -> tuple[int, int]:
        """The cell of the maps under the middle of a box."""
        rows, columns = self.skin.shape
        y = (box.y0 + box.y1) / 2 * rows / self.height
        x = (box.x0 + box.x1) / 2 * columns / self.width
        return min(rows - 1, int(y)), min(columns - 1, int(x))

    def skin_in(self, box: Box) -> Bool:
        """Skin at full size inside ``box``: bool, the shape of the box.

        The small map is interpolated, so that its border is a smooth line and no staircase.
        """
        return self.skin_at(box, 1)

    def skin_at(self, box: Box, step: int) -> Bool:
        """Skin inside ``box`` (full-size pixels), sampled every ``step`` px."""
        return self._most(self.skin, box, step)

    def protected_in(self, box: Box) -> Bool:
        """What must not change inside ``box``: bool, the shape of the box. Never meets skin."""
        return self.protected_at(box, 1)

    def protected_at(self, box: Box, step: int) -> Bool:
        """The same, sampled every ``step`` px."""
        return self._most(self.level, box, step)

    def causes_at(self, box: Box, step: int) -> NDArray[np.uint16]:
        """Why: bits of :class:`Cause`, 0 where nothing protects."""
        protected = self.protected_at(box, step)
        if not protected.any():
            return np.zeros(protected.shape, np.uint16)
        grid_x, grid_y = np.meshgrid(*(v.astype(np.float32) for v in reversed(self._positions(box, step))))
        bits = cv2.remap(self.causes, grid_x, grid_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.where(protected, np.where(bits > 0, bits, Cause.NOT_SKIN), 0).astype(np.uint16)

    def _most(self, field: Float, box: Box, step: int) -> Bool:
        """Where in ``box`` a map is above one half."""
        rows, columns = range(box.y0, box.y1, step), range(box.x0, box.x1, step)
        inside = min(box.y0, box.x0) >= 0 and box.y1 <= self.height and box.x1 <= self.width
        if step == 1 and inside and field.shape == (self.height, self.width):
            # Maps as large as the photo: nothing lies between their cells.
            return np.asarray(field[box.slices] > 0.5)
        near = field[self._cells(box)]
        if near.size and (near.min() > 0.5 or near.max() < 0.5):
            # Between cells that are all alike there is nothing to interpolate.
            return np.full((len(rows), len(columns)), near.min() > 0.5)
        return over(field, *self._positions(box, step), 0.5)

    def _cells(self, box: Box) -> tuple[slice, slice]:
        """The cells of the maps that decide about any pixel of ``box``."""
        sy = self.skin.shape[0] / self.height
        sx = self.skin.shape[1] / self.width
        rows = slice(max(0, math.floor(box.y0 * sy) - 2), math.ceil(box.y1 * sy) + 2)
        return rows, slice(max(0, math.floor(box.x0 * sx) - 2), math.ceil(box.x1 * sx) + 2)

    def _positions(self, box: Box, step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where each ``step``-th row and column of ``box`` lies in the maps, in cells."""
        sy = self.skin.shape[0] / self.height
        sx = self.skin.shape[1] / self.width
        ys = (np.arange(box.y0, box.y1, step) + step / 2) * sy - 0.5
        xs = (np.arange(box.x0, box.x1, step) + step / 2) * sx - 0.5
        return ys, xs


def surveyed(photo: Photo, network: Network | None, opinions: Opinions | None) -> Scene:
    """Look at the whole photo once; it stands upright. See :func:`retouch_engine.survey.upright.survey`."""
    view = View(photo, is_srgb(photo.colour_profile))
    network = network or parts.shipped()
    second = opinions.ask(view.small) if opinions and opinions.models else None
    guesses = [s.guess(photo.height, photo.width) for s in second.faces] if second else []
    with borrowed("colours", 1) as hands:
        early: list[Future[Colours]] = []
        size, begin = (photo.height, photo.width), lambda: early.append(hands.submit(_colours, photo, view))
        found = None if network is None else find(view.look, size, network, guesses, begin)
        if found is None or not found.faces:
            note = NO_NETWORK if network is None else NO_FACE
            colours = early[0].result() if early else _colours(photo, view)
            scene = _by_colour(photo, view, colours, note, found.suspects if found else ())
        else:
            scene = _by_faces(photo, view, found)
    return scene if second is None else _doubted(scene, second, looked=network is not None)


def _by_faces(photo: Photo, view: View, found: Found) -> Scene:
    shown = view.small(_GRID_PX)
    cell = photo.width / shown.shape[1]
    likely = _maps(found, photo, shown.shape[:2])
    with borrowed("whose", 1) as hands:
        whose = hands.submit(facial, likely, found.faces, cell)
        maps = protection(likely, shown, found.faces, cell)
        scene = _scene(photo, view, maps, found.faces[0].scale, found.faces)
        face = whose.result()
        return replace(
            _suspecting(scene, found.suspects),
            owner=frozen(owners(found.faces, scene.skin.shape, cell)),
            facial=frozen(face),
            ears=frozen(face & (likely[Part.EARS] > _EAR)),
        )


def _scene(
    photo: Photo, view: View, maps: Maps, scale: PixelScale, faces: tuple[Face, ...] = (), note: str = ""
) -> Scene:
    skin, level, causes = (frozen(each) for each in maps)
    return Scene(
        skin=skin,
        height=photo.height,
        width=photo.width,
        srgb=view.plain,
        scale=scale,
        level=level,
        causes=causes,
        faces=faces,
        notes=(note,) if note else (),
    )


def _doubted(scene: Scene, second: Second, *, looked: bool) -> Scene:
    """The same scene with what second opinions protect beside."""
    cell = scene.width / scene.skin.shape[1]
    made = (scene.skin, scene.level, scene.causes)
    skin, level, causes = cautious(made, second, scene.faces, cell, looked=looked)
    notes = (*scene.notes, *told(second, scene.faces, skin.shape, cell, looked=looked))
    return replace(scene, skin=frozen(skin), level=frozen(level), causes=frozen(causes), notes=notes)


def _colours(photo: Photo, view: View) -> Colours:
    shown = view.small(_COLOUR_PX)
    return shown, *coloured(density(shown), grey=photo.grey)


def _by_colour(photo: Photo, view: View, colours: Colours, note: str, suspects: tuple[Suspect, ...]) -> Scene:
    shown, skin, dark = colours
    least = _LEAST_WITH_SUSPECTS if any(suspect.whole for suspect in suspects) else _LEAST_BY_COLOUR
    if note == NO_FACE and float(skin.mean()) < least:
        skin, dark, note, suspects = np.zeros_like(skin), np.zeros_like(dark), NO_SKIN, ()
    maps = by_colour(skin, dark, shown, suspects, photo.width / shown.shape[1])
    return _suspecting(_scene(photo, view, maps, _UNKNOWN, note=note), suspects)


def _suspecting(scene: Scene, suspects: tuple[Suspect, ...]) -> Scene:
    """The same scene with what may be faces."""
    notes = (*scene.notes, MAYBE_FACE) if any(suspect.whole for suspect in suspects) else scene.notes
    return replace(scene, suspects=suspects, notes=notes)


class View:
    """Shrunken copies of a photo, as sRGB. The largest is made once, whoever asks, and the others from it."""

    def __init__(self, photo: Photo, plain: bool) -> None:
        self.plain = plain
        self._pixels = photo.pixels
        self._profile = photo.colour_profile
        self._kept: dict[int, Samples] = {}
        self._making = Lock()

    def small(self, long_side: int) -> Samples:
        """The whole photo with this long side, or as it is when it is smaller."""
        with self._making:
            if long_side not in self._kept:
                self._kept[long_side] = self._made(long_side)
            return self._kept[long_side]

    def _made(self, long_side: int) -> Samples:
        height, width = self._pixels.shape[:2]
        shrink = min(1.0, long_side / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        source = next((v for k, v in self._kept.items() if k > long_side), self._pixels)
        small = _shrunk(source, size)
        return small if self.plain or source is not self._pixels else self._srgb(small)

    def look(self, box: Box, shrink: float) -> Float:
        """A part of the photo, shrunk: float32, 0 to 1."""
        whole = (box.height, box.width) == self._pixels.shape[:2]
        if whole and shrink * max(box.height, box.width) <= _GRID_PX:
            source = self.small(_GRID_PX)
        else:
            source = self._pixels[box.slices]
        size = (max(2, round(box.width * shrink)), max(2, round(box.height * shrink)))
        small = _shrunk(source, size)
        if not self.plain and not (whole and source is not self._pixels):
            small = self._srgb(small)
        return np.asarray(small, dtype=np.float32) / np.float32(np.iinfo(small.dtype).max)

    def _srgb(self, samples: Samples) -> Samples:
        return to_srgb(samples, self._profile)


def _shrunk(source: Samples, size: tuple[int, int]) -> Samples:
    """Area-averaged. A large shrink first takes every other row: cheaper, and nothing here can tell."""
    if (source.shape[1], source.shape[0]) == size:
        return source
    while source.shape[0] / size[1] >= 4:
        source = source[::2]
    return cast("Samples", np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA)))


def _maps(found: Found, photo: Photo, grid: tuple[int, ...]) -> Float:
    """The coarse maps, each face's own laid over them; float32 ``(parts, h, w)``."""
    h, w = grid
    # Nobody asks for what is none of all parts.
    total = np.zeros((len(found.coarse), h, w), dtype=np.float32)
    sx, sy = w / photo.width, h / photo.height
    laid = []
    # Smallest first: where faces meet, the nearer one has the last word.
    for face, crop in reversed(list(zip(found.faces, found.crops, strict=True))):
        box = _around(face, (h, w), (sx, sy))
        affine = _to_grid(crop, box, (sx, sy))
        size = (box.width, box.height)
        known = cv2.warpAffine(_feather(crop.maps.shape[1]), affine, size, flags=cv2.INTER_LINEAR)
        laid.append((crop.maps, box, affine, known))

    def part(number: Part) -> None:
        whole = total[number]
        cv2.resize(found.coarse[number], (w, h), whole, interpolation=cv2.INTER_LINEAR)
        for maps, box, affine, known in laid:
            size = (box.width, box.height)
            own = cv2.warpAffine(maps[number], affine, size, flags=cv2.INTER_LINEAR)
            own -= whole[box.slices]
            own *= known
            whole[box.slices] += own

    with borrowed("maps", 2) as hands:
        hands.map(part, [number for number in Part if number is not Part.BACKGROUND])
    return total


def _around(face: Face, grid: tuple[int, int], per_px: tuple[float, float]) -> Box:
    """The cells that a face's crop can reach."""
    x, y = face.centre[0] * per_px[0], face.centre[1] * per_px[1]
    rx, ry = (1.6 * face.width * s + 2 for s in per_px)
    h, w = grid
    return Box(
        min(h - 1, max(0, int(y - ry))),
        min(w - 1, max(0, int(x - rx))),
        max(1, min(h, int(y + ry) + 1)),
        max(1, min(w, int(x + rx) + 1)),
    )


def _to_grid(crop: Crop, box: Box, per_px: tuple[float, float]) -> Float:
    """From cells of the crop's maps (2 px of the crop each) to cells of the grid inside ``box``."""
    a = crop.to_photo.astype(np.float64)
    affine = np.empty((2, 3))
    for row, (scale, start) in enumerate(((per_px[0], box.x0), (per_px[1], box.y0))):
        x, y, c = a[row]
        affine[row] = [2 * x * scale, 2 * y * scale, (c + 0.5 * (x + y) + 0.5) * scale - 0.5 - start]
    return affine.astype(np.float32)


def _feather(side: int) -> Float:
    """1 around the middle of a crop, 0 towards its border."""
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32)
    distance = np.hypot(xs - side / 2, ys - side / 2) / (side / 2)
    return np.asarray(np.clip((_HALO - distance) / 0.15, 0, 1), dtype=np.float32)
