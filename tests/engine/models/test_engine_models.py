"""The whole engine with a model in stock: who heals, what record and metadata say, what stays equal."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from benchmarks.files import write_photo
from tests.engine.models.networks import network_model

from retouch_engine import Finish, Limits, Order, Recipe, Rendered, Role, Stock, errors, open_engine
from retouch_engine.budget import Machine, Use
from retouch_engine.engine import RetouchEngine
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.pool import Hands
from retouch_engine.resident import Residency
from retouch_engine.stock import Model

COMPOSITE = b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
ALGORITHMIC = b"digitalsourcetype/algorithmicallyEnhanced"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Even skin with a medium and a small blemish, and a mask with both of them painted."""
    folder = tmp_path_factory.mktemp("photo")
    rng = np.random.default_rng(2)
    h, w = 420, 640
    pores = 0.03 * blur(rng.normal(size=(h, w)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.5, 0.9, 1.2], np.float32) + pores[..., None]).astype(np.float32)
    y, x = np.ogrid[:h, :w]
    mask = np.zeros((h, w), np.uint8)
    for cy, cx, r in ((210, 200, 34), (210, 500, 8)):
        spot = (y - cy) ** 2 + (x - cx) ** 2 <= r * r
        mask[spot] = 255
        od[..., 1:] += 0.35 * blur(spot.astype(np.float32), 2.0)[..., None]
    pixels = np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16)
    write_photo(folder / "skin.tif", pixels)
    (folder / "mask.png").write_bytes(imagecodecs.png_encode(mask))
    return folder / "skin.tif", folder / "mask.png"


@pytest.fixture(scope="module")
def lama(tmp_path_factory: pytest.TempPathFactory) -> Model:
    pytest.importorskip("onnxruntime", reason="the extra 'cpu' is not installed")
    return network_model("lama", tmp_path_factory.mktemp("lama"), sane=True)


def done(
    photo: tuple[Path, Path], staging: Path, stock: Stock, *, recipe: Recipe | None = None, threads: int = 2
) -> Rendered:
    staging.mkdir(parents=True)
    with open_engine(stock=stock) as engine:
        asked = recipe or Recipe(models=stock.names)
        order = Order(photo[0], staging, asked, Finish(threads=threads), painted_mask=photo[1])
        return engine.retouch(order, lambda _: None)


def healed_spot(record: dict[str, Any], *, large: bool) -> dict[str, Any]:
    return next(s for s in record["spots"] if (s["diameter_px"] > 40) is large)


def test_a_medium_spot_is_healed_by_the_model_and_a_small_one_is_not(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    rendered = done(photo, tmp_path / "s", Stock((lama,)))
    record = rendered.record
    assert healed_spot(record, large=True)["healer"] == "lama"
    made = healed_spot(record, large=True)["model"]
    assert made == {
        "model": "lama",
        "digest": lama.digest,
        "licence": "Apache-2.0",
        "commercial": True,
        "precision": "fp32",
        "seed": made["seed"],
        "steps": 1,
    }
    small = healed_spot(record, large=False)
    assert small["healer"] in {"tone", "donor", "frequency", "patchmatch", "clone"}
    assert "model" not in small
    assert [(m["id"], m["spots"]) for m in record["models"]] == [
        ("lama", [healed_spot(record, large=True)["id"]])
    ]
    assert record["outside_unchanged"] is True
    assert list(record["engine"]["recipe"]["models"]) == [f"lama@{lama.digest}"]
    assert COMPOSITE in rendered.files[Role.XMP].read_bytes()
    json.dumps(record)


def test_only_pixels_in_the_hole_changed(photo: tuple[Path, Path], lama: Model, tmp_path: Path) -> None:
    rendered = done(photo, tmp_path / "s", Stock((lama,)))
    before, after = tifffile.imread(photo[0]), tifffile.imread(rendered.files[Role.RESULT])
    healed = tifffile.imread(rendered.files[Role.MASK]) == 255
    scaled = before.astype(np.uint16) * (257 if before.dtype == np.uint8 else 1)
    assert np.array_equal(after[~healed], scaled[~healed])
    assert not np.array_equal(after[healed], scaled[healed])


def test_a_stock_that_the_recipe_does_not_name_changes_not_one_bit(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    plain = done(photo, tmp_path / "a", Stock(), recipe=Recipe())
    beside = done(photo, tmp_path / "b", Stock((lama,)), recipe=Recipe())
    for role in (Role.RESULT, Role.HEAL, Role.MASK):
        a, b = (imagecodecs.tiff_decode(r.files[role].read_bytes()) for r in (plain, beside))
        assert np.array_equal(a, b)
    assert "models" not in plain.record
    assert "models" not in plain.record["engine"]["recipe"]
    assert all("model" not in s for s in plain.record["spots"])
    assert plain.record["spots"] == beside.record["spots"]
    assert COMPOSITE not in plain.files[Role.XMP].read_bytes()
    assert ALGORITHMIC in plain.files[Role.XMP].read_bytes()


def test_the_same_photo_gives_the_same_pixels_with_any_threads(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    digests = set()
    for threads in (1, 3):
        rendered = done(photo, tmp_path / str(threads), Stock((lama,)), threads=threads)
        digests.add(hashlib.sha256(tifffile.imread(rendered.files[Role.RESULT]).tobytes()).hexdigest())
    assert len(digests) == 1


def test_a_model_that_breaks_is_said_and_the_next_healer_heals(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / lama.files[0]).write_bytes(b"\x08\x08 no network")
    rendered = done(
        photo, tmp_path / "s", Stock((replace(lama, folder=tmp_path / "broken"),), pinned=("lama",))
    )
    record = rendered.record
    assert healed_spot(record, large=True)["decision"] == "healed"
    assert healed_spot(record, large=True)["healer"] != "lama"
    assert any(n.startswith("healed without lama: lama cannot be used") for n in record["notes"])
    assert COMPOSITE not in rendered.files[Role.XMP].read_bytes()


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


def test_out_of_memory_twice_goes_to_the_next_healer_and_the_record_says_so(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    class Greedy:
        def fill(self, _order: object) -> None:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    loaded: list[str] = []

    def load(use: Use) -> Greedy:
        loaded.append(use.model.id)
        return Greedy()

    stock = Stock((lama,))
    released: list[str] = []
    hands = Hands(load, lambda _: None, time.monotonic, released.append)
    (tmp_path / "s").mkdir()
    with RetouchEngine(Limits(), stock, Residency(stock, Machine(onnx=True), hands)) as engine:
        order = Order(photo[0], tmp_path / "s", Recipe(models=stock.names), painted_mask=photo[1])
        rendered = engine.retouch(order, lambda _: None)
        figures = engine.residency()["lama"]
    assert loaded == ["lama", "lama"]
    assert len(released) >= 2
    assert figures["out_of_memory"] == 2
    assert not figures["resident"]
    large = healed_spot(rendered.record, large=True)
    assert (large["decision"], large["healer"] != "lama") == ("healed", True)
    assert any(
        "healed without lama: no room for lama: out of memory twice" in n for n in rendered.record["notes"]
    )
    assert COMPOSITE not in rendered.files[Role.XMP].read_bytes()


def test_what_may_not_be_used_for_work_is_named_in_every_record(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    borrowed = replace(lama, licence="LicenseRef-Not-For-Work", commercial=False)
    record = done(photo, tmp_path / "s", Stock((borrowed,))).record
    assert any("LicenseRef-Not-For-Work forbids commercial use" in n for n in record["notes"])
    assert record["models"][0]["commercial"] is False
    assert healed_spot(record, large=True)["model"]["commercial"] is False


def test_a_recipe_that_names_other_files_is_refused(
    photo: tuple[Path, Path], lama: Model, tmp_path: Path
) -> None:
    with pytest.raises(errors.ModelUnusable, match="not handed"):
        done(photo, tmp_path / "s", Stock((lama,)), recipe=Recipe(models=("lama@" + "0" * 64,)))


def test_the_recipes_digest_names_the_models_and_without_any_is_as_before() -> None:
    assert Recipe(models=("a@1",)).digest != Recipe(models=("a@2",)).digest != Recipe().digest
    assert "models" not in Recipe().as_json()
    assert Recipe.from_json(Recipe(models=("a@1",)).as_json()) == Recipe(models=("a@1",))


def test_a_pinned_model_is_there_before_the_first_photo_and_the_figures_say_so(lama: Model) -> None:
    with open_engine(stock=Stock((lama,), pinned=("lama",))) as engine:
        figures = engine.residency()["lama"]
        assert (figures["resident"], figures["pinned"], figures["loads"]) == (True, True, 1)
        about = engine.about()
        assert about["plan"] == "no card"
        assert any("lama: fp32 on the processor" in line for line in about.values())
    with open_engine() as engine:
        assert engine.residency() == {}
        assert any("classical" in line for line in engine.about().values())


def test_stock_survives_the_way_to_the_worker(lama: Model) -> None:
    stock = Stock((lama,), 4.0, ("lama",), 30.0, prompts=Path("/somewhere"))
    assert Stock.from_json(json.loads(json.dumps(stock.as_json()))) == stock
