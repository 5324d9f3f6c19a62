"""The inpainting ControlNet for FLUX.1 (alimama-creative), which diffusers' own class does not hold.

It is told of the hole in one channel more than the image has: the mask at the latents' size, 1 where the
image is kept, packed two by two as the latents are and laid behind them. So its first layer takes four inputs
more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LATENT_PX = 8
"""Pixels of the photo for one of the VAE's latents."""
_HOLE_CHANNELS = 4
_WEIGHTS = "diffusion_pytorch_model.safetensors"


def inpainting_controlnet(folder: Path, dtype: Any) -> Any:
    """Load it.

    Raises:
        OSError, ValueError, KeyError: the files are not what they should be.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    kind = controlnet_class()
    config = kind.load_config(folder, local_files_only=True)
    net = widened(kind.from_config(config), int(config.get("extra_condition_channels", _HOLE_CHANNELS)))
    try:
        net.load_state_dict(load_file(folder / _WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(str(error)) from None
    return net.to(dtype).eval()


def widened(net: Any, more: int = _HOLE_CHANNELS) -> Any:
    """The same network with a first layer for so many channels more, its weights to be loaded."""
    import torch

    net.controlnet_x_embedder = torch.nn.Linear(net.config.in_channels + more, net.inner_dim)
    return net


def controlnet_class() -> Any:
    """The class, made when torch is there."""
    import torch
    from diffusers import FluxControlNetModel

    class InpaintingControlNet(FluxControlNetModel):  # type: ignore[misc]
        """See the module."""

        def show(self, hole: Any) -> None:
            """Tell it the hole of the crop that comes next: bool ``(1, 1, h, w)``."""
            h, w = hole.shape[2:]
            kept = torch.nn.functional.interpolate(1 - hole.float(), (h // _LATENT_PX, w // _LATENT_PX))
            rows, columns = kept.shape[2] // 2, kept.shape[3] // 2
            packed = kept.view(1, 1, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
            self.hole = packed.reshape(1, rows * columns, _HOLE_CHANNELS)

        def forward(self, hidden_states: Any, controlnet_cond: Any, *args: Any, **kwargs: Any) -> Any:
            """As diffusers' own, with the hole behind the image."""
            hole = self.hole.to(controlnet_cond).expand(len(controlnet_cond), -1, -1)
            both = torch.cat([controlnet_cond, hole], dim=-1)
            return super().forward(hidden_states, both, *args, **kwargs)

    return InpaintingControlNet
