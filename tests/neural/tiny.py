"""Tiny models of the real classes with random weights, saved to disk as their repositories lay them out.

Widths are a hundredth of the real ones; what decides shapes is real: the VAE's factor of eight, its sixteen
channels (thirty-two for FLUX.2), the packing two by two, the channels of mask and masked image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ["<pad>", "</s>", "<unk>", "clean", "skin", "natural", "pores", "light", ","]


def flux_fill(folder: Path) -> Path:
    """A FLUX.1 Fill pipeline."""
    import diffusers

    diffusers.FluxFillPipeline(transformer=_flux(384), **_flux_parts()).save_pretrained(folder)
    return folder


def flux_dev(folder: Path) -> Path:
    """A FLUX.1 dev pipeline, as the ControlNet needs one."""
    import diffusers

    diffusers.FluxPipeline(transformer=_flux(64), **_flux_parts()).save_pretrained(folder)
    return folder


def flux_controlnet(folder: Path) -> Path:
    """The inpainting ControlNet, with its four inputs more."""
    import torch

    from retouch_engine.runtime.controlnet import controlnet_class, widened

    torch.manual_seed(3)
    net = widened(
        controlnet_class()(num_layers=1, num_single_layers=0, guidance_embeds=True, **_flux_sizes())
    )
    for block in net.controlnet_blocks:  # zero as they begin, they would leave the ControlNet without a say
        torch.nn.init.normal_(block.weight, std=0.1)
    net.save_pretrained(folder)
    return folder


def flux_lora(folder: Path) -> Path:
    """A LoRA in the format of FLUX.1's own, made for text to image: without the channels of Fill."""
    import safetensors.torch
    import torch

    torch.manual_seed(4)
    width = 32
    tensors = {
        f"transformer.{name}.lora_{side}.weight": torch.randn(shape) * 0.1
        for name in ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_k")
        for side, shape in (("A", (4, width)), ("B", (width, 4)))
    }
    tensors["transformer.x_embedder.lora_A.weight"] = torch.randn(4, 64)
    tensors["transformer.x_embedder.lora_B.weight"] = torch.randn(width, 4)
    folder.mkdir(parents=True)
    safetensors.torch.save_file(tensors, folder / "diffusion_pytorch_model.safetensors")
    return folder


def flux_gguf(source: Path, folder: Path) -> Path:
    """The transformer of a pipeline on disk as a GGUF file, its matrices in Q8_0."""
    import diffusers
    import gguf
    import numpy as np

    model = diffusers.FluxTransformer2DModel.from_pretrained(source, subfolder="transformer")
    folder.mkdir(parents=True)
    writer = gguf.GGUFWriter(folder / "flux1-fill-dev-Q8_0.gguf", "flux")
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        kind = gguf.GGMLQuantizationType.Q8_0
        if values.ndim == 2 and values.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


def klein(folder: Path) -> Path:
    """A FLUX.2 klein pipeline."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.Qwen3Config(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=28,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    # The pipeline listens to the layers 9, 18 and 27.
    diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLFlux2(
            in_channels=3, out_channels=3, block_out_channels=(4, 4, 4, 4), latent_channels=4,
            layers_per_block=1, norm_num_groups=1, sample_size=32,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        text_encoder=transformers.Qwen3ForCausalLM(config).eval(),
        tokenizer=_qwen_tokenizer(),
        transformer=diffusers.Flux2Transformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=48, timestep_guidance_channels=256,
            axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
        ),
        is_distilled=True,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def klein_lora(folder: Path) -> Path:
    """A LoRA for FLUX.2 klein, as its training script writes one."""
    import safetensors.torch
    import torch

    torch.manual_seed(5)
    name = "transformer.single_transformer_blocks.0.attn.to_out"
    source = 32 + 96  # attention and the wide layer behind it come out together
    folder.mkdir(parents=True)
    tensors = {f"{name}.lora_A.weight": torch.randn(4, source), f"{name}.lora_B.weight": torch.randn(32, 4)}
    safetensors.torch.save_file(tensors, folder / "mine.safetensors")
    return folder


def qwen_edit(folder: Path) -> Path:
    """A Qwen-Image-Edit pipeline; its processor as the repository has it, without what needs torchvision."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(6)
    tokenizer = _qwen_tokenizer("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    ids = {
        name: tokenizer.convert_tokens_to_ids(f"<|{name}|>")
        for name in ("image_pad", "video_pad", "vision_start", "vision_end")
    }
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2], "rope_type": "default"},
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
            "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "fullatt_block_indexes": [0],
        },
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"], vision_end_token_id=ids["vision_end"],
    )  # fmt: skip
    pipe = diffusers.QwenImageEditInpaintPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=4, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=tokenizer,
        processor=None,
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2, in_channels=64, out_channels=16, num_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=16, axes_dims_rope=(8, 4, 4),
        ),
    )  # fmt: skip
    pipe.save_pretrained(folder)
    seen = transformers.Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=28 * 28 * 16)
    seen.save_pretrained(folder / "processor")
    tokenizer.save_pretrained(folder / "processor")
    return folder


def _flux_sizes() -> dict[str, Any]:
    return {
        "patch_size": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 32,
        "pooled_projection_dim": 32,
        "axes_dims_rope": (4, 4, 8),
    }


def _flux(channels: int) -> Any:
    import diffusers
    import torch

    torch.manual_seed(0)
    return diffusers.FluxTransformer2DModel(
        in_channels=channels,
        out_channels=64,
        num_layers=1,
        num_single_layers=1,
        guidance_embeds=True,
        **_flux_sizes(),
    )


def _flux_parts() -> dict[str, Any]:
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    clip = transformers.CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=77, projection_dim=32,
        bos_token_id=0, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    t5 = transformers.T5Config(
        vocab_size=len(WORDS), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0
    )
    return {
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "vae": diffusers.AutoencoderKL(
            in_channels=3, out_channels=3, block_out_channels=(4, 4, 4, 4), latent_channels=16,
            layers_per_block=1, norm_num_groups=1, use_quant_conv=False, use_post_quant_conv=False,
            shift_factor=0.1159, scaling_factor=0.3611,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        "text_encoder": transformers.CLIPTextModel(clip).eval(),
        "tokenizer": _clip_tokenizer(),
        "text_encoder_2": transformers.T5EncoderModel(t5).eval(),
        "tokenizer_2": _t5_tokenizer(),
    }  # fmt: skip


def _clip_tokenizer() -> Any:
    import transformers

    words = [
        "<|startoftext|>",
        "<|endoftext|>",
        "s</w>",
        "k</w>",
        "i</w>",
        "n</w>",
        "a</w>",
        "e</w>",
        "o</w>",
    ]
    return transformers.CLIPTokenizer(
        vocab={w: i for i, w in enumerate(words)}, merges=[], model_max_length=77
    )


def _t5_tokenizer() -> Any:
    import transformers

    return transformers.T5Tokenizer(vocab=[(w, -float(i)) for i, w in enumerate(WORDS)], extra_ids=0)


def _qwen_tokenizer(*special: str) -> Any:
    import transformers

    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"skinpo", *special]
    vocab = {w: i for i, w in enumerate(words)}
    made = transformers.Qwen2Tokenizer(vocab=vocab, merges=[])
    made.add_special_tokens({"additional_special_tokens": [*words[:3], *special]})
    made.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return made
