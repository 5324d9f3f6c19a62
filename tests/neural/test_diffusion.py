"""Loading the real classes from disk, in every form that a plan may choose, and asking them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.neural.conftest import order

from retouch_engine.budget import Use
from retouch_engine.errors import ModelUnusable
from retouch_engine.runtime import load

pytest.importorskip("diffusers", reason="torch and diffusers are not installed: make test-neural")

Maker = Callable[..., Use]
FORMS: list[tuple[str, str, tuple[str, ...]]] = [
    ("flux_fill", "bf16", ()),
    ("flux_fill", "fp32", ()),
    ("flux_fill", "fp8", ()),
    ("flux_fill", "bf16", ("flux_lora",)),
    ("flux_fill", "q8_0", ("flux_gguf",)),
    ("flux_fill", "q8_0", ("flux_gguf", "flux_lora")),
    ("flux_controlnet", "bf16", ("flux_controlnet",)),
    ("klein", "bf16", ()),
    ("qwen_edit", "bf16", ()),
]


@pytest.mark.parametrize(("healer", "precision", "parts"), FORMS)
def test_it_loads_fills_and_repeats_itself(
    healer: str, precision: str, parts: tuple[str, ...], use: Maker
) -> None:
    filler = load(use(healer, precision, *parts))
    steps = 1 if healer == "qwen_edit" else 2  # which works at a megapixel whatever it is given
    one = filler.fill(order(steps))
    assert one.shape == (48, 64, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() < one.max() <= 1
    assert np.array_equal(one, filler.fill(order(steps)))
    assert not np.array_equal(one, filler.fill(order(steps, seed=6)))
    filler.close()


def test_the_encoders_are_gone_once_the_prompt_is_known(use: Maker) -> None:
    filler: Any = load(use("flux_fill"))
    assert filler.pipe.text_encoder is None
    assert filler.pipe.text_encoder_2 is None
    assert filler.prompt["prompt_embeds"].shape[-1] == 32
    klein: Any = load(use("klein"))
    assert klein.pipe.text_encoder is None


def test_the_plans_form_is_what_is_loaded(use: Maker) -> None:
    import torch

    fp8: Any = load(use("flux_fill", "fp8"))
    kinds = {p.dtype for p in fp8.pipe.transformer.parameters()}
    assert torch.float8_e4m3fn in kinds
    quantised: Any = load(use("flux_fill", "q8_0", "flux_gguf"))
    assert any(type(p).__name__ == "GGUFParameter" for p in quantised.pipe.transformer.parameters())


def test_eight_bits_stay_close_to_sixteen(use: Maker) -> None:
    plain = load(use("flux_fill")).fill(order(2))
    for form in (("q8_0", "flux_gguf"), ("fp8",)):
        other = load(use("flux_fill", *form)).fill(order(2))
        assert np.abs(other - plain).mean() < 0.1


@pytest.mark.parametrize(
    ("healer", "parts"),
    [("flux_fill", ("flux_lora",)), ("klein", ()), ("flux_controlnet", ("flux_controlnet",))],
)
def test_blocks_that_visit_in_turn_paint_the_same(healer: str, parts: tuple[str, ...], use: Maker) -> None:
    planned = use(healer, "bf16", *parts)
    moved: Any = load(replace(planned, offload=True))
    assert np.array_equal(load(planned).fill(order(2)), moved.fill(order(2)))
    hooked = [m for m in moved.pipe.transformer.modules() if hasattr(m, "_diffusers_hook")]
    assert hooked


def test_compiling_is_asked_for_block_by_block_and_paints_the_same(
    use: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced by the real compiler without a break in the graph; what it makes of the trace is left out."""
    import torch

    plain, compiled, compiler = load(use("klein")), [], torch.nn.Module.compile

    def eager(module: Any, **words: Any) -> None:
        compiled.append((type(module).__name__, words))
        compiler(module, backend="eager", **words)

    monkeypatch.setattr(torch.nn.Module, "compile", eager)
    quick = load(replace(use("klein"), compile=True))
    assert np.allclose(plain.fill(order(2)), quick.fill(order(2)), atol=0.02)
    assert sorted(compiled, key=str) == [
        ("Flux2SingleTransformerBlock", {"fullgraph": True}),
        ("Flux2TransformerBlock", {"fullgraph": True}),
    ]
    compiled.clear()
    load(use("klein"))
    assert compiled == []


def test_the_lora_works_with_few_steps_and_rests_with_many(use: Maker) -> None:
    plain, quick = load(use("flux_fill")), load(use("flux_fill", "bf16", "flux_lora"))
    many = max(use("flux_fill").model.contract["steps"])
    assert not np.array_equal(plain.fill(order(2)), quick.fill(order(2)))
    same = replace(order(2), steps=many)
    assert np.array_equal(plain.fill(same), quick.fill(same))
    assert not np.array_equal(plain.fill(order(2)), quick.fill(order(2)))  # and on again


def test_a_studios_own_lora_is_always_on_for_klein(use: Maker) -> None:
    plain, own = load(use("klein")), load(use("klein", "bf16", "klein_lora"))
    for steps in (2, 4):
        assert not np.array_equal(plain.fill(order(steps)), own.fill(order(steps)))


def test_the_size_of_the_crop_is_kept_where_pipelines_would_scale_to_1024(use: Maker) -> None:
    for healer in ("flux_fill", "klein"):
        assert load(use(healer)).fill(order(1, size=(64, 96))).shape == (64, 96, 3)


def test_the_controlnet_is_told_of_the_hole(use: Maker) -> None:
    filler: Any = load(use("flux_controlnet", "bf16", "flux_controlnet"))
    one = filler.fill(order(2))
    moved = order(2)
    hole = np.roll(moved.hole, 8, axis=1)
    assert not np.array_equal(one, filler.fill(replace(moved, hole=hole)))
    shown = filler.pipe.controlnet.hole
    assert shown.shape == (1, (48 // 16) * (64 // 16), 4)
    assert set(np.unique(shown.numpy())) == {0.0, 1.0}


def test_the_language_model_sees_the_crop(use: Maker) -> None:
    """As many tokens stand for the image in the text as the image becomes patches."""
    from PIL import Image

    filler: Any = load(use("qwen_edit"))
    batch = filler.pipe.processor(text=["a <|image_pad|> b"], images=Image.new("RGB", (112, 56)))
    pad = filler.pipe.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert int((batch["input_ids"] == pad).sum()) == int(batch["image_grid_thw"][0].prod()) // 4 > 1


@pytest.mark.parametrize("hurt", ["transformer/config.json", "vae/diffusion_pytorch_model.safetensors"])
def test_a_damaged_model_says_what_to_do(hurt: str, use: Maker, tmp_path: Path) -> None:
    planned = use("klein")
    folder = tmp_path / "klein"
    shutil.copytree(planned.model.folder, folder)
    (folder / hurt).write_bytes((folder / hurt).read_bytes()[:40])
    with pytest.raises(ModelUnusable, match="retouchd models verify klein"):
        load(replace(planned, model=replace(planned.model, folder=folder)))


def test_no_code_of_a_repository_is_run(use: Maker, tmp_path: Path) -> None:
    """A model_index that names a class of its own, as custom pipelines do."""
    planned = use("klein")
    folder = tmp_path / "klein"
    shutil.copytree(planned.model.folder, folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["vae"] = ["evil", "Vae"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelUnusable):
        load(replace(planned, model=replace(planned.model, folder=folder)))
    assert not (tmp_path / "ran").exists()


def test_torchvision_is_not_needed(use: Maker) -> None:
    load(use("klein"))
    load(use("qwen_edit"))  # whose own processor would ask for it
    assert "torchvision" not in sys.modules
