"""The network that finds spots: a U-Net of depthwise-separable residual blocks, 1/2 down to 1/16.

Light is taken out of the picture inside the network: beside the colours it sees the optical density less its
mean over five millimetres around, which is what pigments add.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from benchmarks.parts_net import Block, _norm
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


class SpotNet(nn.Module):  # type: ignore[misc]
    """Planes, sides multiples of 16, in; logits at half the size out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_norm(6, WIDTHS[0], 3, 2), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(_norm(a, a, 3, 2, groups=a), _norm(a, b, 1), nn.ReLU(inplace=True))
            for a, b in pairwise(WIDTHS)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(d))) for w, d in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.lateral = nn.ModuleList(_norm(b, a, 1) for a, b in pairwise(WIDTHS))
        self.merge = nn.ModuleList(Block(w) for w in WIDTHS[:-1])
        self.head = nn.Conv2d(WIDTHS[0], len(MAPS), 1)
        nn.init.constant_(self.head.bias, -4.0)

    def forward(self, x: Any) -> Any:
        """Logits ``(n, maps, h / 2, w / 2)``."""
        x = self.stages[0](self.stem(x))
        skips = [x]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            x = stage(down(x))
            skips.append(x)
        for level in reversed(range(len(skips) - 1)):
            up = nn.functional.interpolate(self.lateral[level](x), scale_factor=2, mode="nearest")
            x = self.merge[level](skips[level] + up)
        return self.head(x)


class Shipped(nn.Module):  # type: ignore[misc]
    """The network as the engine runs it: sRGB in, odds out."""

    def __init__(self, net: SpotNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Any) -> Any:
        """Odds ``(n, maps, h / 2, w / 2)``, 0 to 1."""
        return torch.sigmoid(self.net(planes(rgb)))
