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


def inpainting_controlnet(folder: Path, dtype: Any) -> Any:
    """Load it.

    Raises:
        OSError, ValueError: the files are not what they should be.
    """
    return _class().from_pretrained(folder, dtype=dtype, local_files_only=True)


def _class() -> Any:
    import torch
    from diffusers import FluxControlNetModel
    from diffusers.configuration_utils import register_to_config

    class InpaintingControlNet(FluxControlNetModel):  # type: ignore[misc]
        """See the module."""

        @register_to_config  # type: ignore[untyped-decorator]
        def __init__(  # noqa: PLR0913, PLR0917 - the file's own configuration, name by name
            self,
            patch_size: int = 1,
            in_channels: int = 64,
            num_layers: int = 19,
            num_single_layers: int = 38,
            attention_head_dim: int = 128,
            num_attention_heads: int = 24,
            joint_attention_dim: int = 4096,
            pooled_projection_dim: int = 768,
            guidance_embeds: bool = False,
            axes_dims_rope: tuple[int, ...] = (16, 56, 56),
            num_mode: int | None = None,
            conditioning_embedding_channels: int | None = None,
            extra_condition_channels: int = 4,
        ) -> None:
            super().__init__(
                patch_size,
                in_channels,
                num_layers,
                num_single_layers,
                attention_head_dim,
                num_attention_heads,
                joint_attention_dim,
                pooled_projection_dim,
                guidance_embeds,
                list(axes_dims_rope),
                num_mode,
                conditioning_embedding_channels,
            )
            self.controlnet_x_embedder = torch.nn.Linear(
                in_channels + extra_condition_channels, self.inner_dim
            )
            self._hole: Any = None

        def show(self, hole: Any) -> None:
            """Tell it the hole of the crop that comes next: bool ``(1, 1, h, w)``."""
            h, w = hole.shape[2:]
            kept = torch.nn.functional.interpolate(1 - hole.float(), (h // _LATENT_PX, w // _LATENT_PX))
            rows, columns = kept.shape[2] // 2, kept.shape[3] // 2
            packed = kept.view(1, 1, rows, 2, columns, 2).permute(0, 2, 4, 1, 3, 5)
            self._hole = packed.reshape(1, rows * columns, 4)

        def forward(self, hidden_states: Any, controlnet_cond: Any, *args: Any, **kwargs: Any) -> Any:
            """As diffusers' own, with the hole behind the image."""
            hole = self._hole.to(controlnet_cond).expand(len(controlnet_cond), -1, -1)
            both = torch.cat([controlnet_cond, hole], dim=-1)
            return super().forward(hidden_states, both, *args, **kwargs)

    return InpaintingControlNet
