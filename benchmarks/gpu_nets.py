"""The true architectures with random weights: what a card has to hold and to compute, without a download.

Sizes are those of the published configurations. With ``rehearse`` everything is tiny and runs on a processor,
so that the measuring itself can be tested where there is no card.
"""

from __future__ import annotations

from typing import Any

import torch

HEADS, HEAD = 24, 128
FLUX = {"num_layers": 19, "num_single_layers": 38, "joint_attention_dim": 4096, "pooled_projection_dim": 768}
KLEIN = {"num_layers": 5, "num_single_layers": 20, "joint_attention_dim": 7680}
LAMA_BLOCKS, LAMA_WIDTH = 18, 512


def filled(make: Any, device: str, dtype: torch.dtype) -> Any:
    """A module whose weights are drawn on the device itself: twelve billion on a processor take minutes."""
    with torch.device("meta"):
        net = make()
    net = net.to(dtype).to_empty(device=device).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator(device).manual_seed(0)
    for name, values in (*net.named_parameters(), *net.named_buffers()):
        if not values.is_floating_point():
            values.zero_()
        elif "var" in name:
            values.fill_(1.0)
        else:
            values.normal_(0.0, 0.02, generator=generator)
    return net


def flux_transformer(*, rehearse: bool) -> Any:
    """FLUX.1 Fill: 12 billion parameters."""
    import diffusers

    small = {"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 32, "pooled_projection_dim": 32}
    sizes = {**small, "num_attention_heads": 2, "attention_head_dim": 16, "axes_dims_rope": (4, 4, 8)}
    return diffusers.FluxTransformer2DModel(
        in_channels=384, out_channels=64, guidance_embeds=True, **(sizes if rehearse else FLUX)
    )


def flux_vae(*, rehearse: bool) -> Any:
    """The VAE of FLUX.1."""
    import diffusers

    return diffusers.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=16, layers_per_block=1 if rehearse else 2,
        block_out_channels=(4,) * 4 if rehearse else (128, 256, 512, 512),
        norm_num_groups=1 if rehearse else 32,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1159, scaling_factor=0.3611,
    )  # fmt: skip


def klein_transformer(*, rehearse: bool) -> Any:
    """FLUX.2 klein: 4 billion parameters."""
    import diffusers

    small = {"num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 48, "axes_dims_rope": (4,) * 4}
    sizes = {**small, "num_attention_heads": 2, "attention_head_dim": 16}
    real = {**KLEIN, "num_attention_heads": HEADS, "attention_head_dim": HEAD, "axes_dims_rope": (32,) * 4}
    return diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=128, guidance_embeds=False, **(sizes if rehearse else real)
    )


def klein_vae(*, rehearse: bool) -> Any:
    """The VAE of FLUX.2: 32 channels."""
    import diffusers

    small = {"block_out_channels": (4,) * 4, "layers_per_block": 1, "norm_num_groups": 1}
    return diffusers.AutoencoderKLFlux2(
        latent_channels=32, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, **(small if rehearse else {}),
    )  # fmt: skip


def dino(*, rehearse: bool) -> Any:
    """DINOv3 ViT-L/16: 300 million parameters."""
    import transformers

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    real = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    }
    config = transformers.DINOv3ViTConfig(
        patch_size=16, num_register_tokens=4, **(sizes if rehearse else real)
    )
    return transformers.DINOv3ViTModel(config)


class Spectral(torch.nn.Module):  # type: ignore[misc]
    """The Fourier unit of LaMa: a 1 x 1 convolution over the real and imaginary parts of the spectrum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into = torch.nn.Conv2d(width, width // 2, 1)
        self.middle = torch.nn.Conv2d(width, width, 1)
        self.out = torch.nn.Conv2d(width // 2, width, 1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """``(n, c, h, w)`` in and out."""
        half = torch.relu(self.into(values))
        spectrum = torch.fft.rfft2(half.float(), norm="ortho")
        both = torch.cat([spectrum.real, spectrum.imag], dim=1).to(values.dtype)
        real, imaginary = torch.relu(self.middle(both)).float().chunk(2, dim=1)
        back = torch.fft.irfft2(torch.complex(real, imaginary), s=half.shape[2:], norm="ortho")
        return self.out(half + back.to(values.dtype))


class Block(torch.nn.Module):  # type: ignore[misc]
    """A residual block: a quarter of the channels local, the rest through the spectrum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = width // 4
        far = width - self.near
        self.layers = torch.nn.ModuleList()
        for _ in range(2):
            layer = torch.nn.ModuleDict(
                {
                    "ll": torch.nn.Conv2d(self.near, self.near, 3, padding=1),
                    "lg": torch.nn.Conv2d(self.near, far, 3, padding=1),
                    "gl": torch.nn.Conv2d(far, self.near, 3, padding=1),
                    "gg": Spectral(far),
                }
            )
            self.layers.append(layer)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """``(n, c, h, w)`` in and out."""
        near, far = values[:, : self.near], values[:, self.near :]
        for layer in self.layers:
            near, far = (
                torch.relu(layer["ll"](near) + layer["gl"](far)),
                torch.relu(layer["lg"](near) + layer["gg"](far)),
            )
        return values + torch.cat([near, far], dim=1)


def lama(*, rehearse: bool) -> torch.nn.Module:
    """Big-LaMa's shape: three halvings, eighteen Fourier blocks of 512 channels, three doublings."""
    width, blocks = (16, 1) if rehearse else (LAMA_WIDTH, LAMA_BLOCKS)
    layers: list[torch.nn.Module] = [torch.nn.Conv2d(4, width // 8, 7, padding=3)]
    for n in (8, 4, 2):
        layers += [torch.nn.Conv2d(width // n, 2 * width // n, 3, stride=2, padding=1), torch.nn.ReLU()]
    layers += [Block(width) for _ in range(blocks)]
    for n in (1, 2, 4):
        layers += [
            torch.nn.ConvTranspose2d(width // n, width // n // 2, 4, stride=2, padding=1),
            torch.nn.ReLU(),
        ]
    return torch.nn.Sequential(*layers, torch.nn.Conv2d(width // 8, 3, 7, padding=3), torch.nn.Sigmoid())
