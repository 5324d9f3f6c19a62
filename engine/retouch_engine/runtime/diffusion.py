"""Diffusion models on diffusers: loaded from a folder and never from a network, one crop at a time.

The text encoders are large and answer the same every time: the one prompt is encoded when a model is loaded
for the first time and kept (:mod:`retouch_engine.runtime.prompts`), and they are let go of again. Height and
width are always given: the pipelines would otherwise scale the crop to 1024 without a word. What comes out is
a picture of the whole crop, slightly another one everywhere; what is made of it is the healer's business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from retouch_engine.budget import Use
from retouch_engine.errors import ModelUnusable
from retouch_engine.runtime.base import Fill, FillOrder
from retouch_engine.runtime.prompts import Words, heard

PROMPT = "clean healthy skin, natural fine pores, soft even light, photograph"
"""What belongs into every hole."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one family of pipelines is loaded and asked."""

    pipeline: str
    """The class in diffusers."""
    encoders: tuple[str, ...]
    """Components that only the prompt needs."""
    ask: Callable[[DiffusionFiller, FillOrder], Mapping[str, Any]]
    """What a call is given beside image, mask, size, steps and seed."""
    others: Callable[[Use, Any], Mapping[str, Any]] = field(default=lambda _use, _dtype: {})
    """Loads the components that lie in other folders."""
    beside: tuple[str, ...] = ()
    """What those are called."""


@dataclass(slots=True)
class DiffusionFiller:
    """A loaded pipeline, with its prompt."""

    use: Use
    pipe: Any
    recipe: Recipe
    prompt: Mapping[str, Any]
    device: str

    @classmethod
    def load(cls, use: Use, prompts: Path | None = None) -> DiffusionFiller:
        """See :func:`retouch_engine.runtime.load`."""
        recipe = _RECIPES[use.model.healer]
        pipe, prompt = assembled(use, recipe, PROMPT, prompts)
        return cls(use, pipe, recipe, prompt, use.device)

    def fill(self, order: FillOrder) -> Fill:
        """See :class:`retouch_engine.runtime.base.Filler`."""
        import torch

        h, w = order.hole.shape
        image = torch.from_numpy(np.ascontiguousarray(order.image.transpose(2, 0, 1)))[None]
        mask = torch.from_numpy(order.hole.astype(np.float32))[None, None]
        with torch.inference_mode():
            made = self.pipe(
                image=image,
                mask_image=mask,
                height=h,
                width=w,
                num_inference_steps=order.steps,
                # On the processor also for a card: the same numbers whatever the card.
                generator=torch.Generator("cpu").manual_seed(order.seed),
                output_type="np",
                **self.prompt,
                **self.recipe.ask(self, order),
            )
        fill = np.asarray(made.images[0], dtype=np.float32)
        if fill.shape != (h, w, 3):
            raise ModelUnusable(self.use.model.id, f"returned {fill.shape} for {(h, w, 3)}")
        if not np.isfinite(fill).all():
            raise ModelUnusable(self.use.model.id, "returned values that are no numbers")
        return np.ascontiguousarray(np.clip(fill, 0, 1))

    def close(self) -> None:
        """See :class:`retouch_engine.runtime.base.Filler`."""
        self.pipe, self.prompt = None, {}


def assembled(use: Use, recipe: Recipe, prompt: str, prompts: Path | None) -> tuple[Any, Mapping[str, Any]]:
    """A pipeline on its device, as planned, and what the prompt means to it.

    Raises:
        ModelUnusable: it does not load.
    """
    # Read when the library is imported: whatever a file refers to, nothing is fetched.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import diffusers
    import torch

    plain = "fp32" if use.precision == "fp32" else "bf16"
    dtype = torch.float32 if plain == "fp32" else torch.bfloat16
    kind = getattr(diffusers, recipe.pipeline)
    words = Words(prompt, use.model.digest, recipe.pipeline, plain)
    try:
        meant = heard(words, prompts, lambda: _encoded(kind, recipe, use, dtype, prompt))
        parts = {**dict.fromkeys(recipe.encoders), **_transformer(use, dtype), **recipe.others(use, dtype)}
        pipe = kind.from_pretrained(use.model.folder, dtype=dtype, local_files_only=True, **parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ModelUnusable(use.model.id, f"{type(error).__name__}: {error}") from error
    pipe.set_progress_bar_config(disable=True)
    _placed(pipe, use)
    return pipe, {k: v.to(use.device) if hasattr(v, "to") else v for k, v in meant.items()}


def known() -> frozenset[str]:
    """The healers whose models are run here."""
    return frozenset(_RECIPES)


def _encoded(kind: Any, recipe: Recipe, use: Use, dtype: Any, prompt: str) -> Mapping[str, Any]:
    """The prompt's embeddings; the encoders are loaded for them alone, on the processor."""
    import torch

    components = kind.load_config(use.model.folder, local_files_only=True)
    heavy = [name for name, value in components.items() if isinstance(value, list)]
    rest = [*recipe.beside, *(n for n in heavy if n not in {*recipe.encoders, "scheduler"})]
    encoder = kind.from_pretrained(
        use.model.folder, dtype=dtype, local_files_only=True, **dict.fromkeys(rest)
    )
    with torch.inference_mode():
        made = encoder.encode_prompt(prompt=prompt, **_both(kind, prompt))
    if len(made) == 3:  # FLUX.1: T5's tokens, CLIP's summary, positions
        return {"prompt_embeds": made[0], "pooled_prompt_embeds": made[1]}
    return {"prompt_embeds": made[0]}


def _both(kind: Any, prompt: str) -> dict[str, Any]:
    """FLUX.1 asks two encoders the same."""
    return {"prompt_2": prompt} if "prompt_2" in kind.encode_prompt.__code__.co_varnames else {}


def _transformer(use: Use, dtype: Any) -> dict[str, Any]:
    """The transformer from a quantised file, where the plan says so."""
    quantised = next((p for p in use.parts if p.healer == "gguf"), None)
    if quantised is None:
        return {}
    import diffusers

    path = quantised.folder / next(n for n in quantised.files if n.endswith(".gguf"))
    made = diffusers.FluxTransformer2DModel.from_single_file(
        str(path),
        quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype),
        dtype=dtype,
        config=str(use.model.folder),
        subfolder="transformer",
        local_files_only=True,
    )
    _unpack(made, dtype)
    return {"transformer": made}


def _unpack(transformer: Any, dtype: Any) -> None:
    """Keep the first layer unquantised, a few megabytes.

    A LoRA for FLUX.1 dev knows 64 channels where Fill has 384; diffusers widens it by the layer's shape, and
    takes the bytes of packed weights for it.
    """
    import torch
    from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

    packed = transformer.x_embedder
    if not hasattr(packed.weight, "quant_type"):
        return
    plain = torch.nn.Linear(packed.in_features, packed.out_features, dtype=dtype)
    with torch.no_grad():
        plain.weight.copy_(dequantize_gguf_tensor(packed.weight))
        plain.bias.copy_(packed.bias)
    transformer.x_embedder = plain


def _placed(pipe: Any, use: Use) -> None:
    """LoRA, storage in 8 bits, device, and what a plan may ask for besides."""
    for part in use.parts:
        if part.healer == "lora":
            name = next(n for n in part.files if n.endswith(".safetensors"))
            pipe.load_lora_weights(
                str(part.folder), weight_name=name, adapter_name="quick", local_files_only=True
            )
            pipe.set_adapters("quick", float(part.contract.get("scale", 1.0)))
    housed(pipe, use)
    if use.compile:
        pipe.transformer.compile_repeated_blocks(fullgraph=True)


def housed(pipe: Any, use: Use) -> None:
    """Storage in 8 bits, and the device, or blocks in turn on it, as planned."""
    import torch

    if use.precision == "fp8":
        pipe.transformer.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16
        )
    if use.offload:
        in_turn(pipe, torch.device(use.device))
    else:
        pipe.to(use.device)


def in_turn(pipe: Any, device: Any) -> None:
    """The transformer's blocks stay in main memory and visit the device one after another.

    The next one travels while one computes. What is not the transformer is small, and stays on the device.
    """
    import torch

    pipe.transformer.enable_group_offload(
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",
    )
    for name, part in pipe.components.items():
        if isinstance(part, torch.nn.Module) and name != "transformer":
            part.to(device)


def _quick(filler: DiffusionFiller, order: FillOrder) -> bool:
    """Switch the LoRA for few steps on or off; whether it is on."""
    contract = filler.use.model.contract
    if not any(p.healer == "lora" for p in filler.use.parts):
        return False
    quick = order.steps < max(int(n) for n in contract["steps"])
    if quick:
        filler.pipe.enable_lora()
    else:
        filler.pipe.disable_lora()
    return quick


def _ask_fill(filler: DiffusionFiller, order: FillOrder) -> Mapping[str, Any]:
    contract = filler.use.model.contract
    quick = _quick(filler, order)
    return {"guidance_scale": float(contract["turbo_guidance" if quick else "guidance"])}


def _ask_klein(_filler: DiffusionFiller, _order: FillOrder) -> Mapping[str, Any]:
    return {"strength": 1.0, "guidance_scale": 1.0}


def _ask_controlnet(filler: DiffusionFiller, order: FillOrder) -> Mapping[str, Any]:
    """The crop with its hole painted black, and the hole itself behind it (the model's own recipe)."""
    import torch

    _quick(filler, order)
    image = torch.from_numpy(np.ascontiguousarray(order.image.transpose(2, 0, 1)))[None] * 2 - 1
    hole = torch.from_numpy(order.hole)[None, None]
    filler.pipe.controlnet.show(hole)
    return {
        "control_image": torch.where(hole, torch.tensor(-1.0), image),
        "strength": 1.0,
        "guidance_scale": float(filler.use.model.contract["guidance"]),
        "controlnet_conditioning_scale": 0.9,
    }


def _controlnet(use: Use, dtype: Any) -> Mapping[str, Any]:
    from retouch_engine.runtime.controlnet import inpainting_controlnet

    part = next(p for p in use.parts if p.healer == "controlnet")
    return {"controlnet": inpainting_controlnet(part.folder, dtype)}


_FLUX_ENCODERS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
_RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "flux_fill": Recipe("FluxFillPipeline", _FLUX_ENCODERS, _ask_fill),
        "flux_controlnet": Recipe(
            "FluxControlNetInpaintPipeline", _FLUX_ENCODERS, _ask_controlnet, _controlnet, ("controlnet",)
        ),
        "klein": Recipe("Flux2KleinInpaintPipeline", ("text_encoder", "tokenizer"), _ask_klein),
    }
)
