"""What lies around a model: the window, the way in and out, colour, texture, and failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.models.networks import a_pool, network_model, neural_healer, use_of

from retouch_engine.budget import CPU, Use
from retouch_engine.errors import ModelUnusable, NoRoomForModel
from retouch_engine.heal import Heal, Wound
from retouch_engine.heal.neural import Neural, spec_of, steps_for, window_of
from retouch_engine.imaging.bands import blur, fine_bands
from retouch_engine.imaging.density import density, tone
from retouch_engine.imaging.masks import bounding_box
from retouch_engine.pool import Hands, Pool
from retouch_engine.runtime import FillOrder, load
from retouch_engine.stock import Model
from retouch_engine.types import Box

Made = Callable[..., Any]


def skin_wound(size: int = 300, r: float = 20, at: tuple[int, int] | None = None) -> Wound:
    rng = np.random.default_rng(1)
    pores = 0.04 * blur(rng.normal(size=(size, size)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.9, 1.3, 1.6], np.float32) + pores[..., None]).astype(np.float32)
    cy, cx = at or (size // 2, size // 2)
    y, x = np.ogrid[:size, :size]
    hole = np.asarray((y - cy) ** 2 + (x - cx) ** 2 <= r * r)
    od[hole] += np.float32(0.5)
    inner = bounding_box(hole).grown(40, size, size)
    return Wound(od, hole, np.zeros_like(hole), Box(0, 0, size, size), 2 * r, 3, inner)


def model_with(**contract: Any) -> Use:
    model = Model("m", "lama", Path("/nowhere"), "0" * 64, "MIT", True, "fp32", 1, 2, (), contract=contract)
    return Use(model, CPU, "fp32", False, 1, 2)


@dataclass
class Plain:
    """A model that answers with one colour, and remembers what it was asked."""

    colour: float = 0.5
    asked: list[FillOrder] = field(default_factory=list)
    fail: BaseException | None = None

    def fill(self, order: FillOrder) -> Any:
        self.asked.append(order)
        if self.fail:
            raise self.fail
        return np.full(order.image.shape, self.colour, np.float32)

    def close(self) -> None:
        pass


def healer_of(model: Plain, **contract: Any) -> Neural:
    pool = Pool(Hands(lambda _: model, lambda _: None, lambda: 0.0), 0, 60.0)
    return Neural(spec_of("lama", "a test", 400, "MIT"), model_with(**contract), pool)


@pytest.mark.parametrize(
    ("contract", "size", "expected"),
    [
        ({"size": 512}, 300, (300, 512)),
        ({"size": 512}, 700, (512, 512)),
        ({"multiple": 8, "least": 128, "most": 1024}, 300, (128, 128)),
        ({"multiple": 16, "least": 256, "most": 1024}, 300, (256, 256)),
        ({"multiple": 16, "least": 256, "most": 1024}, 250, (250, 256)),
    ],
)
def test_the_window_is_native_pixels_padded_to_what_the_model_takes(
    contract: dict[str, int], size: int, expected: tuple[int, int]
) -> None:
    window = window_of(skin_wound(size), model_with(**contract))
    assert window is not None
    assert (window.box.height, window.height) == expected
    assert window.height % contract.get("multiple", 1) == 0


def test_the_window_holds_the_hole_and_skin_around_it_also_in_a_corner() -> None:
    for at in ((30, 30), (30, 270), (270, 150)):
        w = skin_wound(300, 20, at)
        window = window_of(w, model_with(multiple=8, least=128, most=1024))
        assert window is not None
        inside = np.zeros_like(w.hole)
        inside[window.box.slices] = True
        assert inside[w.hole].all()


def test_a_hole_that_leaves_the_model_nothing_to_see_is_not_for_it() -> None:
    assert window_of(skin_wound(700, 235), model_with(size=512)) is None
    assert window_of(skin_wound(700, 220), model_with(size=512)) is not None
    plain = Plain()
    assert list(healer_of(plain, size=512).attempts(skin_wound(700, 235))) == []
    assert plain.asked == []


def test_the_model_sees_the_photos_own_pixels_and_the_hole() -> None:
    plain, w = Plain(), skin_wound(300)
    next(healer_of(plain, size=512).attempts(w))
    order = plain.asked[0]
    assert order.image.shape == (512, 512, 3)
    assert order.image.dtype == np.float32
    assert np.array_equal(order.hole[:300, :300], w.hole)
    back = density(np.rint(order.image[:300, :300] * 65535).astype(np.uint16))
    assert np.abs(back - w.od).max() < 1e-3
    assert np.array_equal(order.image[300:, :300], order.image[88:300, :300][::-1])  # mirrored
    assert order.hole[300:, :300].any()  # and so is the hole: a mirrored blemish is none to copy from


def inside(heal: Heal, w: Wound) -> Any:
    """The heal as it would be composed at full strength, on the hole's own pixels."""
    whole = w.low + heal.low_delta + heal.high
    return whole[(heal.support >= 1) & w.hole[w.inner.slices]]


@pytest.mark.parametrize("colour", [0.2, 0.5, 0.8])
def test_the_membrane_takes_any_colour_to_the_rim(colour: float) -> None:
    w = skin_wound()
    heal = next(healer_of(Plain(colour), size=512).attempts(w))
    clean = w.od[~w.hole].reshape(-1, 3)
    assert np.abs(inside(heal, w).mean(axis=0) - clean.mean(axis=0)).max() < 0.03


def test_a_model_without_a_pore_still_leaves_real_pores() -> None:
    w = skin_wound()
    heal = next(healer_of(Plain(), size=512).attempts(w))
    whole = w.od.copy()
    cut = w.inner.slices
    whole[cut] = np.where((heal.support > 0)[..., None], w.low + heal.low_delta + heal.high, whole[cut])
    fine = fine_bands(tone(whole))[0][0]
    core = np.hypot(*(np.indices(w.hole.shape) - 150)) < 15
    ring = (np.hypot(*(np.indices(w.hole.shape) - 150)) < 60) & ~w.hole
    assert 0.85 < fine[core].std() / fine[ring].std() < 1.2


def test_steps_go_up_and_hard_wounds_begin_with_the_many() -> None:
    quick = model_with(steps=[4, 8])
    assert steps_for(skin_wound(), quick) == (4, 8)
    assert steps_for(replace(skin_wound(), diameter_px=200.0), quick) == (8,)
    long = skin_wound()
    hole = np.zeros_like(long.hole)
    hole[148:152, 100:200] = True
    assert steps_for(replace(long, hole=hole), quick) == (8,)
    assert steps_for(skin_wound(), model_with()) == (1,)


def test_few_steps_need_the_lora_that_was_made_for_them() -> None:
    flux = model_with(steps=[8, 20], turbo_guidance=3.5)
    assert steps_for(skin_wound(), flux) == (20,)
    lora = replace(flux.model, id="turbo", healer="lora")
    assert steps_for(skin_wound(), replace(flux, parts=(lora,))) == (8, 20)


def test_a_heal_names_its_model_seed_and_steps() -> None:
    plain = Plain()
    heals = list(healer_of(plain, size=512, steps=[4, 8]).attempts(skin_wound()))
    made = [h.made for h in heals]
    assert [m.steps for m in made if m] == sorted(m.steps for m in made if m)
    assert {m.steps for m in made if m} == {4, 8}
    assert len({o.seed for o in plain.asked}) == 2
    assert [o.seed for o in plain.asked] == list(dict.fromkeys(m.seed for m in made if m))


def test_the_many_steps_are_only_taken_when_asked_for() -> None:
    plain = Plain()
    next(healer_of(plain, size=512, steps=[4, 8]).attempts(skin_wound()))
    assert [o.steps for o in plain.asked] == [4]


def test_trouble_reaches_the_ladder_as_itself() -> None:
    out_of_memory = Plain(fail=RuntimeError("CUDA out of memory"))
    with pytest.raises(NoRoomForModel):
        next(healer_of(out_of_memory, size=512).attempts(skin_wound()))
    broken = Plain(fail=ModelUnusable("m", "nonsense"))
    with pytest.raises(ModelUnusable):
        next(healer_of(broken, size=512).attempts(skin_wound()))


@pytest.mark.parametrize("model_id", ["lama", "lama-dynamic", "migan"])
def test_a_network_on_disk_fills_and_repeats_itself(model_id: str, tmp_path: Path) -> None:
    filler = load(use_of(network_model(model_id, tmp_path)))
    side = 512 if model_id == "lama" else 136
    rng = np.random.default_rng(0)
    hole = np.zeros((side, side), bool)
    hole[40:60, 40:60] = True
    order = FillOrder(rng.random((side, side, 3)).astype(np.float32), hole, 0, 1)
    one, two = filler.fill(order), filler.fill(order)
    assert one.shape == (side, side, 3)
    assert one.dtype == np.float32
    assert np.array_equal(one, two)
    assert 0 <= one.min() < one.max() <= 1


def test_ranges_and_masks_are_those_of_the_manifest(tmp_path: Path) -> None:
    """A net that averages what it may see gives skin back, whichever way its file counts."""
    hole = np.zeros((512, 512), bool)
    hole[200:240, 200:240] = True
    image = np.full((512, 512, 3), 0.4, np.float32)
    image[hole] = 0.9
    for model_id in ("lama", "lama-dynamic", "migan"):
        out = load(use_of(network_model(model_id, tmp_path / model_id, sane=True))).fill(
            FillOrder(image, hole, 0, 1)
        )
        assert np.abs(out[hole] - 0.4).max() < 0.01, model_id


def test_a_file_that_is_not_what_its_manifest_says_is_refused(tmp_path: Path) -> None:
    wrong_size = network_model("lama", tmp_path / "a", size=256)
    with pytest.raises(ModelUnusable, match="its manifest says 512"):
        load(use_of(replace(wrong_size, contract={**wrong_size.contract, "size": 512})))
    wrong_range = network_model("lama", tmp_path / "b", sane=True)
    filler = load(use_of(replace(wrong_range, contract={**wrong_range.contract, "output": "0..1"})))
    order = FillOrder(np.full((512, 512, 3), 0.5, np.float32), np.eye(512, dtype=bool), 0, 1)
    with pytest.raises(ModelUnusable, match="at most 1"):
        filler.fill(order)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "network.onnx").write_bytes(b"\x08\x08 no network")
    with pytest.raises(ModelUnusable, match="models verify"):
        load(use_of(replace(wrong_size, folder=tmp_path / "c")))


def test_the_real_loader_is_behind_the_pool(tmp_path: Path) -> None:
    healer = neural_healer("lama", tmp_path, sane=True)
    assert isinstance(healer, Neural)
    assert a_pool().figures() == {}
    heal = next(healer.attempts(skin_wound()))
    assert heal.made is not None
    assert heal.made.model == "lama"
