"""What the networks of this project are made of: a U-Net of depthwise-separable residual blocks, to ONNX.

Small on purpose: under 2 MB in 32-bit floats, and fast on one thread without a graphics card.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn


def norm(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias, then batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Block(nn.Module):  # type: ignore[misc]
    """Depthwise 3x3, pointwise out and in, and the way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width * 2
        self.path = nn.Sequential(
            norm(width, width, 3, groups=width),
            nn.Conv2d(width, inner, 1),
            nn.ReLU(inplace=True),
            norm(inner, width, 1),
        )

    def forward(self, x: Any) -> Any:
        """The same shape."""
        return x + self.path(x)


class UNet(nn.Module):  # type: ignore[misc]
    """Planes in, logits at half the size out; sides are multiples of ``2 ** len(widths)``."""

    def __init__(
        self, planes: int, widths: Sequence[int], depths: Sequence[int], maps: int, dense_below: int = 0
    ) -> None:
        """``dense_below``: levels narrower than this are left by a full convolution."""
        super().__init__()
        self.stem = nn.Sequential(norm(planes, widths[0], 3, 2), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(norm(a, b, 3, 2, groups=1), nn.ReLU(inplace=True))
            if a < dense_below
            else nn.Sequential(norm(a, a, 3, 2, groups=a), norm(a, b, 1), nn.ReLU(inplace=True))
            for a, b in pairwise(widths)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(d))) for w, d in zip(widths, depths, strict=True)
        )
        self.lateral = nn.ModuleList(norm(b, a, 1) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(Block(w) for w in widths[:-1])
        self.head = nn.Conv2d(widths[0], maps, 1)

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


def write_onnx(net: nn.Module, path: Path, output: str, side: int | None = None) -> None:
    """A network of ``rgb`` as ONNX, number, height and width free, or only the number at one ``side``."""
    free, small = {0: "n", 2: "h", 3: "w"}, {0: "n", 2: "h2", 3: "w2"}
    torch.onnx.export(
        deepcopy(net).to(memory_format=torch.contiguous_format).eval(),
        (torch.zeros(1, 3, side or 256, side or 256),),
        path,
        input_names=["rgb"],
        output_names=[output],
        dynamic_axes={"rgb": {0: "n"}, output: {0: "n"}} if side else {"rgb": free, output: small},
        opset_version=17,
        dynamo=False,
    )
