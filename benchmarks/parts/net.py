"""The network that knows the parts of a face: 1/2 down to 1/32, one map a part."""

from __future__ import annotations

from typing import Any

import torch
from benchmarks.u_net import UNet
from torch import nn

WIDTHS = (16, 32, 56, 96, 136)
DEPTHS = (0, 1, 2, 3, 2)
_DENSE_BELOW = 64


class PartsNet(UNet):
    """RGB, 0 to 1, sides multiples of 32, in; logits at half the size out."""

    def __init__(self, parts: int) -> None:
        super().__init__(3, WIDTHS, DEPTHS, parts, _DENSE_BELOW)

    def forward(self, x: Any) -> Any:
        """Logits ``(n, parts, h / 2, w / 2)``."""
        return super().forward((x - 0.45) * 4)


class Shipped(nn.Module):  # type: ignore[misc]
    """The network as the engine runs it: probabilities instead of logits."""

    def __init__(self, net: PartsNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Any:
        """Probabilities ``(n, parts, h / 2, w / 2)``."""
        # Not torch.softmax: over channels, onnxruntime turns the maps about and back, a quarter of its time.
        logits = self.net(x)
        likely = torch.exp(logits - logits.amax(1, keepdim=True))
        return likely / likely.sum(1, keepdim=True)
