"""Photos are looked at as a person sees them, however they lie in their files.

A camera that is held upright stores its photo lying on its side, and says so in one tag, EXIF's orientation.
The networks know faces that stand: when photos were looked at as they lie, of twelve labelled portraits on
their sides four faces were known and 54 to 69 of 140 spots healed, upside down one face and 27. Nothing is
copied to look at them upright, and all that comes back lies as the file does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retouch_engine.codec.metadata import metadata_of
from retouch_engine.imaging.turning import (
    Size,
    back,
    mirrored,
    turned,
    turned_box,
    turned_place,
    turned_size,
    upright,
)
from retouch_engine.survey.faces import Face
from retouch_engine.survey.parts import Network
from retouch_engine.survey.scene import Scene, surveyed
from retouch_engine.survey.second import Opinions
from retouch_engine.survey.suspects import Suspect
from retouch_engine.types import Photo, Spot, frozen

STANDING = 1


def orientation_of(photo: Photo) -> int:
    """How a photo is to be turned for a person to see it, EXIF's 1 to 8."""
    return metadata_of(photo.metadata).orientation


def survey(photo: Photo, network: Network | None = None, opinions: Opinions | None = None) -> Scene:
    """Look at the whole photo once, upright; the scene lies as the photo is stored.

    Args:
        photo: the decoded photo.
        network: another network than the one that comes with this version.
        opinions: models of the studio's own that are asked as well.
    """
    scene = surveyed(upright_photo(photo), network, opinions)
    return turned_scene(scene, back(orientation_of(photo)))


def upright_photo(photo: Photo) -> Photo:
    """What a person sees of a photo: its colours, without what lies beside them in the file."""
    orientation = orientation_of(photo)
    if orientation == STANDING:
        return photo
    seen = turned(photo.pixels, orientation)
    return replace(photo, pixels=seen, extra=None, extra_meaning=(), metadata=None, strips=None)


def turned_scene(scene: Scene, orientation: int) -> Scene:
    """The same scene of the photo turned."""
    if orientation == STANDING:
        return scene
    size = scene.height, scene.width
    height, width = turned_size(size, orientation)
    return replace(
        scene,
        height=height,
        width=width,
        skin=frozen(upright(scene.skin, orientation)),
        level=frozen(upright(scene.level, orientation)),
        causes=frozen(upright(scene.causes, orientation)),
        owner=None if scene.owner is None else frozen(upright(scene.owner, orientation)),
        facial=None if scene.facial is None else frozen(upright(scene.facial, orientation)),
        ears=None if scene.ears is None else frozen(upright(scene.ears, orientation)),
        faces=tuple(_turned_face(face, size, orientation) for face in scene.faces),
        suspects=tuple(_turned_suspect(one, size, orientation) for one in scene.suspects),
    )


def turned_spot(spot: Spot, size: Size, orientation: int) -> Spot:
    """The same spot in the photo turned, which is of this size before."""
    if orientation == STANDING:
        return spot
    return replace(spot, box=turned_box(spot.box, size, orientation), mask=upright(spot.mask, orientation))


def _turned_face(face: Face, size: Size, orientation: int) -> Face:
    # The eyes keep their order, so that the face's down stays on one side of the line from one to the other;
    # in a mirror that side changes, and so does the one that a head is turned to.
    other = mirrored(orientation)
    eyes = tuple(turned_place(eye, size, orientation) for eye in face.eyes)
    return replace(
        face,
        box=turned_box(face.box, size, orientation),
        centre=turned_place(face.centre, size, orientation),
        eyes=eyes[::-1] if other else eyes,
        yaw_hint=-face.yaw_hint if other else face.yaw_hint,
        turn=-face.turn if other else face.turn,
    )


def _turned_suspect(one: Suspect, size: Size, orientation: int) -> Suspect:
    x, y = turned_place((one.x, one.y), size, orientation)
    maps = np.stack([turned(each, orientation) for each in one.maps])
    return replace(one, x=x, y=y, maps=frozen(maps))
