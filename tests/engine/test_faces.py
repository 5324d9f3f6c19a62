"""Faces, protection and what follows from them, on drawn faces that a drawn network knows by their colours.

What the real network knows is measured by ``benchmarks.faces``; here is what is made of it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import cv2
import imagecodecs
import numpy as np
import pytest
from benchmarks.chart import Chart
from benchmarks.files import read_photo, write_photo
from numpy.typing import NDArray
from skimage import data

from retouch_engine import Kind, Recipe, explain, pipeline
from retouch_engine.imaging.masks import dilated
from retouch_engine.record import Decision
from retouch_engine.route import plan, spared
from retouch_engine.survey import Cause, faces, parts, survey
from retouch_engine.survey.parts import MODEL_PATH, Network, Part
from retouch_engine.survey.pieces import Piece, evidence
from retouch_engine.types import Box, HealerId, Photo, Spot, Takes

COLOURS = {
    Part.BACKGROUND: (40, 60, 120),
    Part.FACE_SKIN: (200, 150, 120),
    Part.OTHER_SKIN: (170, 130, 110),
    Part.EYES: (90, 90, 160),
    Part.BROWS: (60, 40, 20),
    Part.LIPS: (190, 60, 70),
    Part.NOSTRILS: (110, 40, 30),
    Part.EARS: (220, 170, 140),
    Part.HAIR: (20, 10, 10),
    Part.GLASSES: (0, 200, 0),
}
EYES_APART = 0.44
"""Of the face's width."""
OUTLINES = {
    Part.EYES: ((-0.22, -0.12, 0.1, 0.045), (0.22, -0.12, 0.1, 0.045)),
    Part.BROWS: ((-0.22, -0.26, 0.13, 0.03), (0.22, -0.26, 0.13, 0.03)),
    Part.LIPS: ((0.0, 0.36, 0.18, 0.06),),
    Part.NOSTRILS: ((0.0, 0.17, 0.12, 0.04),),
}


def nearest_colour(_names: Any, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """A network of ten colours: sure where a pixel has one of them."""
    small = feeds["rgb"][0, :, ::2, ::2] * 255
    wanted = np.array([COLOURS[p] for p in Part], dtype=np.float32)
    distance = ((small[None] - wanted[:, :, None, None]) ** 2).sum(axis=1)
    likely = np.exp(-(distance - distance.min(axis=0)) / 400)
    return [(likely / likely.sum(axis=0))[None].astype(np.float32)]


NETWORK = Network(SimpleNamespace(run=nearest_colour))


def draw(
    canvas: NDArray[np.uint8], x: float, y: float, width: float, *, tilt: float = 0.0, without: Any = ()
) -> None:
    """One face: an ellipse with its parts, turned by ``tilt`` degrees."""

    def ellipse(part: Part, at: tuple[float, float, float, float]) -> None:
        cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        px, py = (x + width * (cos * at[0] - sin * at[1]), y + width * (sin * at[0] + cos * at[1]))
        axes = (round(at[2] * width), max(1, round(at[3] * width)))
        cv2.ellipse(canvas, (round(px), round(py)), axes, tilt, 0, 360, COLOURS[part], -1)

    ellipse(Part.FACE_SKIN, (0, 0, 0.5, 0.68))
    for part, outlines in OUTLINES.items():
        for outline in outlines if part not in without else ():
            ellipse(part, outline)


def photo_of(*faces: dict[str, Any], size: tuple[int, int] = (900, 1200)) -> Photo:
    canvas = np.full((*size, 3), COLOURS[Part.BACKGROUND], dtype=np.uint8)
    for face in faces:
        draw(canvas, **face)
    return Photo(canvas)


PORTRAIT: dict[str, Any] = {"x": 600, "y": 450, "width": 480}


def at(dx: float, dy: float, size: int = 12) -> Box:
    """A box in the portrait, in widths of the face from its middle."""
    x, y = int(600 + 480 * dx), int(450 + 480 * dy)
    return Box(y - size // 2, x - size // 2, y + size // 2, x + size // 2)


def test_a_face_is_found_with_its_scale() -> None:
    scene = survey(photo_of(PORTRAIT), NETWORK)
    (face,) = scene.faces
    assert len(face.eyes) == 2
    assert abs(face.yaw_hint) < 0.05
    assert scene.scale.px_per_mm == pytest.approx(480 * EYES_APART / 63, rel=0.03)
    assert scene.scale.source.startswith("eye distance of face 1")


@pytest.mark.parametrize("tilt", [-40, -15, 25, 45])
def test_a_tilted_face_has_the_same_scale(tilt: float) -> None:
    scene = survey(photo_of(PORTRAIT | {"tilt": tilt}), NETWORK)
    assert len(scene.faces) == 1
    assert scene.scale.px_per_mm == pytest.approx(480 * EYES_APART / 63, rel=0.05)


def test_every_face_has_its_own_scale_and_the_largest_is_first() -> None:
    small, large = {"x": 250, "y": 500, "width": 160}, {"x": 800, "y": 450, "width": 420}
    scene = survey(photo_of(small, large), NETWORK)
    first, second = scene.faces
    assert (first.id, second.id) == (1, 2)
    assert first.scale.px_per_mm
    assert second.scale.px_per_mm
    assert first.scale.px_per_mm / second.scale.px_per_mm == pytest.approx(420 / 160, rel=0.1)


@pytest.mark.parametrize("width", [90, 240, 480])
def test_a_full_beard_does_not_part_a_mouth_from_its_face(width: int) -> None:
    photo = photo_of({"x": 600, "y": 450, "width": width})
    pixels = photo.pixels.copy()
    beard = np.zeros(pixels.shape[:2], dtype=np.uint8)
    cv2.ellipse(
        beard, (600, round(450 + 0.4 * width)), (round(0.42 * width), round(0.16 * width)), 0, 0, 360, 1, -1
    )
    cv2.ellipse(
        beard, (600, round(450 + 0.36 * width)), (round(0.19 * width), round(0.07 * width)), 0, 0, 360, 0, -1
    )
    pixels[beard > 0] = COLOURS[Part.HAIR]
    scene = survey(Photo(pixels), NETWORK)
    (face,) = scene.faces
    assert face.width == pytest.approx(width, rel=0.25)
    chin, lips = round(450 + 0.5 * width), round(450 + 0.36 * width)
    assert (scene.causes_at(Box(chin, 600, chin + 2, 602), 1) & Cause.HAIR).all()
    assert (scene.causes_at(Box(lips, 600, lips + 2, 602), 1) & Cause.LIPS).all()


@pytest.mark.parametrize("width", [60, 120])
def test_a_small_face_is_protected_too(width: int) -> None:
    scene = survey(photo_of({"x": 150, "y": 120, "width": width}, size=(240, 300)), NETWORK)
    (face,) = scene.faces
    assert all(scene.protected_in(Box(int(y), int(x), int(y) + 1, int(x) + 1)).all() for x, y in face.eyes)


@pytest.mark.parametrize("width", [60, 70, 90, 100, 110])
def test_all_of_a_small_face_is_protected_although_its_millimetre_is_less_than_a_cell(width: int) -> None:
    photo = photo_of({"x": 150, "y": 120, "width": width}, size=(240, 300))
    protected = survey(photo, NETWORK).protected_in(Box(0, 0, 240, 300))
    for part in (Part.EYES, Part.BROWS, Part.LIPS, Part.NOSTRILS):
        assert protected[(photo.pixels == COLOURS[part]).all(axis=2)].all()


@pytest.mark.parametrize(
    "without",
    [(Part.EYES, Part.BROWS), (Part.LIPS, Part.NOSTRILS), tuple(OUTLINES)],
    ids=["eyes", "mouth", "all"],
)
def test_half_a_face_is_no_face(without: tuple[Part, ...]) -> None:
    scene = survey(photo_of(PORTRAIT | {"without": without}), NETWORK)
    assert scene.faces == ()
    assert scene.scale.px_per_mm is None
    assert "no face found" in scene.notes[0]


def test_what_may_be_a_face_is_offered_and_not_healed() -> None:
    with mock.patch.object(faces, "_face", return_value=None):
        scene = survey(photo_of(PORTRAIT), NETWORK)
    assert not scene.faces
    assert any("may be a face" in note for note in scene.notes)
    assert scene.protected_in(at(-0.22, -0.12)).all(), "its eyes are protected all the same"
    assert scene.causes_at(at(-0.22, -0.26), 1).any()
    spot = spot_in(at(0.0, 0.0))
    takes = {HealerId("any"): Takes(largest_px=200)}
    (step,) = plan([spot], Recipe(), takes, scene)
    assert step.review
    assert not step.healers
    assert "perhaps on a face" in step.reason
    (beside,) = plan([spot], Recipe(), takes, replace(scene, suspects=()))
    assert beside.healers, "nothing else keeps it from being healed"


@pytest.mark.parametrize(
    ("share", "seen", "skin"),
    [
        (0.15, (), False),
        (0.25, (), True),
        (0.15, (Part.EYES,), False),
        (0.15, (Part.EYES, Part.LIPS), True),
    ],
    ids=["little", "enough", "an eye", "perhaps a face"],
)
def test_without_a_face_a_photo_with_little_of_the_colour_of_skin_has_none(
    share: float, seen: tuple[Part, ...], skin: bool
) -> None:
    """Less will do where something may be a face; an eye by itself, drawn or printed, is none."""
    canvas = np.full((600, 800, 3), COLOURS[Part.BACKGROUND], dtype=np.uint8)
    width = round(800 * share)
    grain = np.random.default_rng(1).normal(0, 8, (600, width, 1))
    canvas[:, :width] = np.array(COLOURS[Part.FACE_SKIN]) + grain
    for part in seen:
        canvas[200 + 20 * part : 230 + 20 * part, 30:90] = COLOURS[part]
    with mock.patch.object(faces, "_face", return_value=None):
        scene = survey(Photo(canvas), NETWORK)
    assert not scene.faces
    assert (scene.skin_share > 0) is skin
    assert any("taken for a photo without any" in note for note in scene.notes) is not skin


def test_on_an_ear_nothing_is_healed_unasked_and_only_what_looks_sure_is_offered() -> None:
    pixels = photo_of(PORTRAIT, size=(900, 1600)).pixels.copy()
    for x in (0.54, 1.8):
        pixels[at(x, 0.0, 80).slices] = COLOURS[Part.EARS]
    takes = {HealerId("any"): Takes(largest_px=200)}

    scene = survey(Photo(pixels), NETWORK)
    assert not scene.ear_at(at(0.0, 0.0))
    assert not scene.ear_at(at(1.8, 0.0)), "far from a face the edges of clothes are taken for ears"
    sure, mole = (spot_in(at(0.54, 0.0), kind) for kind in (Kind.PIMPLE, Kind.MOLE))
    unsure = replace(sure, sure=False)
    offered, kept = plan([sure, unsure], Recipe(), takes, scene)
    assert offered.review
    assert not offered.healers
    assert not kept.review
    assert not kept.healers
    assert all("on an ear" in step.reason for step in (offered, kept))
    (asked,) = plan([mole], Recipe(remove=(Kind.MOLE,)), takes, scene)
    assert asked.healers, "whom a recipe names is healed there too"
    (elsewhere,) = plan([spot_in(at(0.0, 0.0))], Recipe(), takes, scene)
    assert elsewhere.healers


def test_what_may_be_a_face_beside_a_known_one_is_offered_and_not_healed() -> None:
    known, other = {"x": 850, "y": 450, "width": 420}, {"x": 250, "y": 450, "width": 200}
    believed = faces._face

    def only_the_large(number: int, crop: faces.Crop, size: tuple[int, int]) -> Any:
        seen = believed(number, crop, size)
        return seen if seen is not None and seen[0].width > 300 else None

    with mock.patch.object(faces, "_face", only_the_large):
        scene = survey(photo_of(known, other), NETWORK)
    assert len(scene.faces) == 1
    assert sum("may be a face" in note for note in scene.notes) == 1
    on_other, on_known = Box(444, 244, 456, 256), Box(444, 844, 456, 856)
    assert scene.suspect_at(on_other)
    assert not scene.suspect_at(on_known)
    takes = {HealerId("any"): Takes(largest_px=200)}
    (step,) = plan([spot_in(on_other)], Recipe(), takes, scene)
    assert step.review
    assert "perhaps on a face" in step.reason
    (step,) = plan([spot_in(on_known)], Recipe(), takes, scene)
    assert step.healers


def test_an_eye_by_itself_is_protected_and_makes_no_face_of_the_skin_around() -> None:
    scene = survey(photo_of(PORTRAIT | {"without": (Part.LIPS, Part.NOSTRILS)}), NETWORK)
    assert not scene.faces
    assert scene.protected_in(at(-0.22, -0.12)).all()
    assert not scene.suspect_at(at(0.0, 0.0))


@pytest.mark.parametrize(
    ("part", "cause"),
    [
        (Part.EYES, Cause.EYE),
        (Part.BROWS, Cause.BROW),
        (Part.LIPS, Cause.LIPS),
        (Part.NOSTRILS, Cause.NOSTRIL),
    ],
)
def test_a_part_is_protected_with_a_margin(part: Part, cause: Cause) -> None:
    scene = survey(photo_of(PORTRAIT), NETWORK)
    for x, y, _, half_height in OUTLINES[part]:
        assert (scene.causes_at(at(x, y), 1) & cause).all()
        assert scene.protected_in(at(x, y + half_height, 4)).all()


def test_skin_and_protection_never_meet() -> None:
    photo = photo_of(PORTRAIT)
    scene = survey(photo, NETWORK)
    skin, protected = scene.skin_in(photo.frame), scene.protected_in(photo.frame)
    assert not (skin & protected).any()
    assert skin[at(0.3, 0.2).slices].all()
    assert protected[:20, :20].all()


def test_a_dark_speck_on_a_cheek_protects_nothing() -> None:
    canvas = photo_of(PORTRAIT).pixels.copy()
    for part, x in ((Part.BROWS, 0.3), (Part.HAIR, -0.3), (Part.EYES, 0.36)):
        where = at(x, 0.12)
        cv2.circle(canvas, ((where.x0 + where.x1) // 2, (where.y0 + where.y1) // 2), 7, COLOURS[part], -1)
    scene = survey(Photo(canvas), NETWORK)
    assert len(scene.faces) == 1
    for x in (0.3, -0.3, 0.36):
        assert scene.skin_in(at(x, 0.12, 8)).all()


def test_what_is_burnt_out_is_protected() -> None:
    canvas = photo_of(PORTRAIT).pixels.copy()
    cv2.circle(canvas, (600, 280), 25, (255, 255, 255), -1)
    for scene in (survey(Photo(canvas), NETWORK), survey(Photo(canvas[:, :300].copy()), NETWORK)):
        assert scene.level.shape == scene.causes.shape
    assert (survey(Photo(canvas), NETWORK).causes_at(Box(270, 590, 290, 610), 1) & Cause.CLIPPED).all()


def spot_in(box: Box, kind: Kind = Kind.PIMPLE) -> Spot:
    return Spot(1, box, np.ones((box.height, box.width), bool), 12.0, kind, 0.9, sure=True, reason="why")


def planned(spot: Spot) -> Any:
    scene = survey(photo_of(PORTRAIT), NETWORK)
    (step,) = spared(plan([spot], Recipe(), {HealerId("any"): Takes(largest_px=200)}, scene), scene)
    return step


@pytest.mark.parametrize(
    ("where", "reason"), [((0.22, -0.12), "protected: eye"), ((-0.22, -0.26), "protected: brow")]
)
def test_a_spot_on_a_protected_part_is_kept(where: tuple[float, float], reason: str) -> None:
    step = planned(spot_in(at(*where)))
    assert (step.healers, step.review, step.reason) == ((), False, reason)


def test_a_hole_stops_where_protection_begins() -> None:
    scene = survey(photo_of(PORTRAIT), NETWORK)
    above_the_brow = scene.protected_in(Box(230, 705, 330, 706))[:, 0]
    edge = 230 + int(np.flatnonzero(above_the_brow)[0])
    step = planned(spot_in(Box(edge - 13, 699, edge - 1, 711)))
    assert step.healers
    assert not (step.hole & scene.protected_in(step.box)).any()


def test_what_a_person_painted_is_left_to_that_person() -> None:
    assert planned(spot_in(at(0.22, -0.12), Kind.PAINTED)).healers


def test_without_a_network_nothing_changes_but_the_notes(
    chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "shipped", lambda: None)
    photo = Photo(chart.pixels)
    scene = survey(photo)
    assert scene.faces == ()
    assert "onnxruntime" in scene.notes[0]
    assert scene.skin_share > 0.5
    done = pipeline.retouch(photo, Recipe(), lambda _stage: None)
    assert scene.notes[0] in done.notes
    assert any(s.decision is Decision.HEALED for s in done.spots)


def test_without_a_network_large_dark_pieces_are_protected_and_spots_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "shipped", lambda: None)
    rng = np.random.default_rng(3)
    canvas = np.full((600, 600, 3), (70, 90, 130), dtype=np.uint8)
    cv2.ellipse(canvas, (300, 300), (200, 260), 0, 0, 360, (200, 150, 125), -1)
    cv2.ellipse(canvas, (220, 200), (50, 14), 0, 0, 360, (70, 45, 35), -1)
    cv2.circle(canvas, (380, 330), 5, (165, 85, 75), -1, cv2.LINE_AA)
    canvas = np.clip(canvas + rng.normal(0, 2, canvas.shape), 0, 255).astype(np.uint8)
    scene = survey(Photo(canvas))
    assert scene.protected_in(Box(195, 200, 205, 240)).all()
    assert not scene.protected_in(Box(326, 376, 334, 384)).any()
    assert scene.skin_in(Box(400, 280, 420, 320)).all()
    assert scene.protected_in(Box(5, 5, 25, 25)).all()


def read_png(path: str) -> NDArray[np.uint8]:
    return np.asarray(imagecodecs.png_decode(Path(path).read_bytes()))


def test_explain_writes_the_overlay_and_the_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "shipped", lambda: NETWORK)
    source = tmp_path / "face.tif"
    write_photo(source, photo_of(PORTRAIT).pixels)
    told = explain(source, tmp_path / "out", maps=True)
    assert [Path(f).name for f in told["files"]] == [
        "face-explained.png",
        "face-protected.png",
        "face-skin.png",
    ]
    assert len(told["faces"]) == 1
    protected = read_png(told["files"][1])
    assert protected.shape == read_photo(source).shape[:2]
    assert set(np.unique(protected)) == {0, 255}


def test_words_in_the_overlay_have_their_rim_around_them_and_nowhere_else(tmp_path: Path) -> None:
    source = tmp_path / "grey.tif"
    write_photo(source, np.full((1200, 1800, 3), 128, np.uint8))
    drawn = read_png(explain(source, tmp_path / "out")["files"][0])
    black, white = drawn.max(axis=2) < 40, drawn.min(axis=2) > 150
    assert black.any()
    assert not (black & ~dilated(white, 3)).any()


def test_the_network_is_small_and_known() -> None:
    assert MODEL_PATH.stat().st_size <= 2_000_000
    assert MODEL_PATH.with_suffix(".md").is_file()


def test_the_shipped_network_finds_a_real_face() -> None:
    network = parts.shipped()
    assert network is not None, "onnxruntime is missing: make setup installs it (extra: cpu)"
    scene = survey(Photo(np.ascontiguousarray(data.astronaut())), network)
    assert len(scene.faces) == 1
    assert scene.faces[0].box.meets(Box(80, 180, 180, 270))


@pytest.mark.parametrize("name", ["coffee", "text", "page", "coins", "grass", "rocket", "clock"])
def test_things_have_no_face(name: str) -> None:
    picture = np.asarray(getattr(data, name)())
    picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
    assert survey(Photo(np.ascontiguousarray(picture)), parts.shipped()).faces == ()


@pytest.mark.parametrize(("certain", "known"), [(0.99, True), (0.9, False)])
def test_thin_lips_make_a_face_only_when_they_are_certain(certain: float, known: bool) -> None:
    maps = np.zeros((10, 120, 120), np.float32)
    face = Piece(Box(10, 10, 110, 110), np.ones((100, 100), np.bool_))
    maps[Part.FACE_SKIN][face.box.slices] = 1
    maps[Part.BROWS, 30:40, 30:90] = 1
    maps[Part.LIPS, 85:90, 38:82] = certain  # 2.2 % of the face
    assert (evidence(maps, face, first=False) is not None) == known
