"""The network: a U-Net of depthwise-separable residual blocks, 1/2 down to 1/32, one map a part.

Small on purpose: under 2 MB in 32-bit floats, and fast on one thread without a graphics card.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn

WIDTHS = (16, 32, 56, 96, 136)
DEPTHS = (0, 1, 2, 3, 2)


def _norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Block(nn.Module):  # type: ignore[misc]
    """Depthwise 3x3, pointwise out and in, and the way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width * 2
        self.path = nn.Sequential(
            _norm(width, width, 3, groups=width),
            nn.Conv2d(width, inner, 1),
            nn.ReLU(inplace=True),
            _norm(inner, width, 1),
        )

    def forward(self, x: Any) -> Any:
        """The same shape."""
        return x + self.path(x)


class PartsNet(nn.Module):  # type: ignore[misc]
    """RGB, 0 to 1, sides multiples of 32, in; logits at half the size out."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_norm(3, WIDTHS[0], 3, 2), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(_norm(a, b, 3, 2, groups=1), nn.ReLU(inplace=True))
            if a < 64
            else nn.Sequential(_norm(a, a, 3, 2, groups=a), _norm(a, b, 1), nn.ReLU(inplace=True))
            for a, b in pairwise(WIDTHS)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(d))) for w, d in zip(WIDTHS, DEPTHS, strict=True)
        )
        self.lateral = nn.ModuleList(_norm(b, a, 1) for a, b in pairwise(WIDTHS))
        self.merge = nn.ModuleList(Block(w) for w in WIDTHS[:-1])
        self.head = nn.Conv2d(WIDTHS[0], parts, 1)

    def forward(self, x: Any) -> Any:
        """Logits ``(n, parts, h / 2, w / 2)``."""
        x = self.stages[0](self.stem((x - 0.45) * 4))
        skips = [x]
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            x = stage(down(x))
            skips.append(x)
        for level in reversed(range(len(skips) - 1)):
            up = nn.functional.interpolate(self.lateral[level](x), scale_factor=2, mode="nearest")
            x = self.merge[level](skips[level] + up)
        return self.head(x)


class Shipped(nn.Module):  # type: ignore[misc]
    """The network as the engine runs it: probabilities instead of logits."""

    def __init__(self, net: PartsNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Any:
        """Probabilities ``(n, parts, h / 2, w / 2)``."""
        return torch.softmax(self.net(x), dim=1)
