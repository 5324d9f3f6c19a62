"""Second opinions: what they add to the protected map, what they can never take away, what is written of it.

YuNet itself is measured in ``benchmarks.second``; here its answers are given, and the segmenter is a small
network of the same contract.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.test_faces import COLOURS, EYES_APART, NETWORK, PORTRAIT, at, draw, photo_of

from retouch_engine import Finish, Limits, Order, Recipe, Stock, open_engine
from retouch_engine.errors import ModelUnusable
from retouch_engine.stock import Model
from retouch_engine.survey import Cause, Opinions, parts, second, survey
from retouch_engine.survey.second import FACES, PEOPLE, Sighting
from retouch_engine.types import Box, Photo

CLASSES = {"backdrop": 0, "hair": 1, "body": 2, "face": 3, "clothes": 4, "others": 5}


def model_of(folder: Path, healer: str, name: str = "m.onnx", **contract: Any) -> Model:
    return Model(
        id="yunet" if healer == FACES else "selfie-multiclass",
        healer=healer,
        folder=folder,
        digest="0" * 64,
        licence="MIT",
        commercial=True,
        precision="fp32",
        rest_mb=1,
        peak_mb=1,
        files=(name,),
        contract=contract,
    )


def sighting(x: float, y: float, width: float, size: tuple[int, int] = (900, 1200)) -> Sighting:
    """A face of the drawn kind, as YuNet would tell it."""
    h, w = size
    offsets = ((-EYES_APART / 2, -0.12), (EYES_APART / 2, -0.12), (0, 0.17), (-0.18, 0.36), (0.18, 0.36))
    points = tuple(((x + dx * width) / w, (y + dy * width) / h) for dx, dy in offsets)
    return Sighting((x - width / 2) / w, (y - 0.6 * width) / h, width / w, 1.2 * width / h, points, 0.9)


@pytest.fixture
def yunet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Opinions of a YuNet that sees what it is told."""

    def sees(*faces: Sighting) -> Opinions:
        monkeypatch.setattr(second, "_sighted", lambda _model, _small: faces)
        return Opinions.of([model_of(tmp_path, FACES)])

    return sees


def whole(photo: Photo) -> Box:
    return Box(0, 0, photo.height, photo.width)


def test_a_face_that_both_know_stays_as_it_was(yunet: Any) -> None:
    photo = photo_of(PORTRAIT)
    alone = survey(photo, NETWORK)
    both = survey(photo, NETWORK, yunet(sighting(**PORTRAIT)))
    assert both.faces == alone.faces
    assert np.array_equal(both.protected_in(whole(photo)), alone.protected_in(whole(photo)))
    assert both.notes == alone.notes


def test_a_face_that_only_the_second_sees_is_left_alone_and_said_so(yunet: Any) -> None:
    photo = photo_of(PORTRAIT | {"x": 300, "width": 360})
    stranger = sighting(900, 450, 240)
    scene = survey(photo, NETWORK, yunet(stranger))
    assert len(scene.faces) == 1
    place = Box(430, 880, 470, 920)
    assert scene.protected_in(place).all()
    assert (scene.causes_at(place, 1) & Cause.DOUBT).all()
    assert any("a second opinion sees 1 face that the network does not know" in n for n in scene.notes)


def test_an_eye_that_the_network_drew_elsewhere_is_protected_too(yunet: Any) -> None:
    photo = photo_of(PORTRAIT)
    seen = sighting(**PORTRAIT)
    moved = tuple((x, y + 0.16 * 480 / 900) if i < 2 else (x, y) for i, (x, y) in enumerate(seen.points))
    alone = survey(photo, NETWORK)
    both = survey(photo, NETWORK, yunet(replace(seen, points=moved)))
    cheek = at(-EYES_APART / 2, 0.04)
    assert not alone.protected_in(cheek).any()
    assert (both.causes_at(cheek, 1) & Cause.EYE).all()


def test_a_face_that_the_network_overlooked_is_known_when_it_is_told_where(
    yunet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retouch_engine.survey import guesses

    photo = photo_of(PORTRAIT)
    monkeypatch.setattr(guesses, "_candidates", lambda *_: iter(()))
    assert survey(photo, NETWORK).faces == ()
    told = survey(photo, NETWORK, yunet(sighting(**PORTRAIT)))
    assert len(told.faces) == 1
    assert told.scale.px_per_mm == pytest.approx(480 * EYES_APART / 63, rel=0.05)


def test_a_tilted_face_is_looked_at_upright(yunet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from retouch_engine.survey import guesses

    canvas = np.full((900, 1200, 3), COLOURS[parts.Part.BACKGROUND], dtype=np.uint8)
    draw(canvas, **PORTRAIT, tilt=40)
    monkeypatch.setattr(guesses, "_candidates", lambda *_: iter(()))
    cos, sin = np.cos(np.deg2rad(40)), np.sin(np.deg2rad(40))
    points = [(x * 1200 - 600, y * 900 - 450) for x, y in sighting(**PORTRAIT).points]
    turned = tuple(((600 + cos * x - sin * y) / 1200, (450 + sin * x + cos * y) / 900) for x, y in points)
    (face,) = survey(Photo(canvas), NETWORK, yunet(replace(sighting(**PORTRAIT), points=turned))).faces
    (ax, ay), (bx, by) = face.eyes
    assert np.degrees(np.arctan2(by - ay, bx - ax)) == pytest.approx(40, abs=4)


def test_without_a_network_its_points_protect_eyes_nose_and_mouth(
    yunet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "shipped", lambda: None)
    photo = photo_of(PORTRAIT)
    scene = survey(photo, None, yunet(sighting(**PORTRAIT)))
    for dx, dy, cause in ((-0.22, -0.2, Cause.EYE), (0, 0.17, Cause.NOSTRIL), (0, 0.36, Cause.LIPS)):
        assert (scene.causes_at(at(dx, dy), 1) & cause).all()
    assert not any("second opinion" in note for note in scene.notes)


def write_segmenter(path: Path, side: int = 256, *, first: bool = False, classes: int = 6) -> Path:
    """A network of the segmenter's contract: red is hair, green clothes, blue others, all else face."""
    onnx = pytest.importorskip("onnx", reason="onnx writes the network of this test")
    h, node, kind = onnx.helper, onnx.helper.make_node, onnx.TensorProto.FLOAT
    weights = np.zeros((3, classes), dtype=np.float32)
    for channel, name in enumerate(("hair", "clothes", "others")):
        weights[channel, CLASSES[name] % classes] = 10
    bias = np.zeros(classes, dtype=np.float32)
    bias[3 % classes] = 8.5
    shape: list[Any] = [1, 3, side, side] if first else [1, side, side, 3]
    out: list[Any] = [1, classes, side, side] if first else [1, side, side, classes]
    if first:
        kernel = np.ascontiguousarray(weights.T[:, :, None, None])
        nodes = [node("Conv", ["x", "w", "b"], ["y"])]
    else:
        kernel = weights
        nodes = [node("MatMul", ["x", "w"], ["z"]), node("Add", ["z", "b"], ["y"])]
    constants = [onnx.numpy_helper.from_array(a, n) for n, a in (("w", kernel), ("b", bias))]
    given, made = (h.make_tensor_value_info(n, kind, s) for n, s in (("x", shape), ("y", out)))
    graph = h.make_graph(nodes, "segmenter", [given], [made], constants)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    return path


def painted(colour: tuple[int, int, int], box: Box) -> Photo:
    photo = photo_of(PORTRAIT)
    pixels = photo.pixels.copy()
    pixels[box.slices] = colour
    return Photo(pixels)


CHEEK = at(-0.3, 0.2, 70)


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize(
    ("colour", "cause"),
    [((255, 0, 0), Cause.HAIR), ((0, 255, 0), Cause.CLOTHING), ((0, 0, 255), Cause.DOUBT)],
    ids=["hair", "clothes", "others"],
)
def test_what_the_segmenter_names_is_protected(
    tmp_path: Path, colour: tuple[int, int, int], cause: Cause, first: bool
) -> None:
    write_segmenter(tmp_path / "m.onnx", first=first)
    opinions = Opinions.of([model_of(tmp_path, PEOPLE, size=256)])
    scene = survey(painted(colour, CHEEK), NETWORK, opinions)
    inner = Box(CHEEK.y0 + 15, CHEEK.x0 + 15, CHEEK.y1 - 15, CHEEK.x1 - 15)
    assert (scene.causes_at(inner, 1) & cause).all()
    assert not scene.skin_in(inner).any()


def test_a_speck_of_hair_is_a_spot_and_protects_nothing(tmp_path: Path) -> None:
    write_segmenter(tmp_path / "m.onnx")
    opinions = Opinions.of([model_of(tmp_path, PEOPLE, size=256)])
    box = at(-0.3, 0.2, 14)
    alone = survey(painted((255, 0, 0), box), NETWORK)
    both = survey(painted((255, 0, 0), box), NETWORK, opinions)
    assert np.array_equal(alone.level, both.level)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_was_protected_is_ever_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    photo = photo_of(PORTRAIT | {"width": int(rng.integers(200, 500))})
    masks = tuple(rng.random((256, 256)) < 0.4 for _ in range(3))
    # Faces away from the drawn one: where both know it nothing is in dispute.
    faces = tuple(sighting(rng.uniform(50, 250), rng.uniform(50, 850), 90) for _ in range(3))
    monkeypatch.setattr(second, "_sighted", lambda _model, _small: faces)
    monkeypatch.setattr(second, "_segmented", lambda _model, _rgb: masks)
    opinions = Opinions.of([model_of(tmp_path, FACES), model_of(tmp_path, PEOPLE)])
    alone, both = survey(photo, NETWORK), survey(photo, NETWORK, opinions)
    assert (both.level >= alone.level).all()
    assert (both.skin <= alone.skin).all()
    assert ((both.causes & alone.causes) == alone.causes).all()


def test_a_model_that_does_not_load_is_named_and_the_night_goes_on(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08 no network")
    both = [model_of(tmp_path, FACES), model_of(tmp_path, PEOPLE, size=256)]
    scene = survey(photo_of(PORTRAIT), NETWORK, Opinions.of(both))
    assert len(scene.faces) == 1
    assert [n.split(":")[1].split()[0] for n in scene.notes] == ["yunet", "selfie-multiclass"]


def test_a_segmenter_with_other_classes_is_refused(tmp_path: Path) -> None:
    write_segmenter(tmp_path / "m.onnx", classes=4)
    with pytest.raises(ModelUnusable, match="its manifest says"):
        second._segmented(model_of(tmp_path, PEOPLE, size=256), np.zeros((64, 64, 3), np.uint8))


def test_an_engine_without_any_asks_nobody() -> None:
    assert Opinions.of([]).ask(lambda _: pytest.fail("nobody was to be asked")) == second.Second()


def test_the_record_names_who_was_asked_and_the_recipe_depends_on_it(tmp_path: Path) -> None:
    from benchmarks.files import write_photo

    write_segmenter(tmp_path / "m.onnx")
    model = model_of(tmp_path, PEOPLE, size=256)
    source = tmp_path / "a.tif"
    write_photo(source, photo_of(PORTRAIT | {"x": 200, "y": 180, "width": 200}, size=(360, 400)).pixels)
    with open_engine(Limits(), Stock((model,))) as engine:
        plain, asked = Recipe(), Recipe(models=(model.name,))
        told = engine.preview(Order(source, tmp_path, asked, Finish()), lambda _: None)
        without = engine.preview(Order(source, tmp_path, plain, Finish()), lambda _: None)
        assert "selfie-multiclass" in engine.about()["second opinions"]
    assert [m["id"] for m in told["second_opinions"]] == ["selfie-multiclass"]
    assert "second_opinions" not in without
    assert told["engine"]["recipe_digest"] != without["engine"]["recipe_digest"]
