"""The network that finds spots: a U-Net of depthwise-separable residual blocks, 1/2 down to 1/16.

Light is taken out of the picture inside the network: beside the colours it sees the optical density less its
mean over five millimetres around, which is what pigments add.
"""

from __future__ import annotations

from typing import Any

import torch
from benchmarks.u_net import UNet
from torch import nn

WIDTHS = (16, 40, 72, 112)
DEPTHS = (1, 2, 3, 3)
MAPS = ("blemish", "permanent", "mark")
"""What is to be healed; what belongs to the person; whatever stands out, doubtful spots too."""
_AROUND = 13
"""Cells of 2 px each: five millimetres."""


def planes(rgb: Any) -> Any:
    """Colours and pigments at about unit deviation: ``(n, 3, h, w)``, 0 to 1, in, ``(n, 6, h, w)`` out."""
    od = -2.4 * torch.log((rgb.clamp(0, 1) + 0.055) / 1.055)
    small = nn.functional.avg_pool2d(od, 2)
    mean = nn.functional.avg_pool2d(small, _AROUND, 1, _AROUND // 2, count_include_pad=False)
    mean = nn.functional.interpolate(mean, scale_factor=2, mode="nearest")
    return torch.cat([(rgb - 0.45) * 4, ((od - mean) * 6).clamp(-6, 6)], 1)


class SpotNet(UNet):
    """Planes, sides multiples of 16, in; logits at half the size out."""

    def __init__(self) -> None:
        super().__init__(6, WIDTHS, DEPTHS, len(MAPS))
        nn.init.constant_(self.head.bias, -4.0)


class Shipped(nn.Module):  # type: ignore[misc]
    """The network as the engine runs it: sRGB in, odds out."""

    def __init__(self, net: SpotNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Any) -> Any:
        """Odds ``(n, maps, h / 2, w / 2)``, 0 to 1."""
        return torch.sigmoid(self.net(planes(rgb)))
