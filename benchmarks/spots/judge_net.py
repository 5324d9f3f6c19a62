"""The network that judges one find: the first levels of the spot network, and what they see in the middle.

It begins with the spot network's weights, since few finds are labelled, and looks at the same planes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from benchmarks.spots.net import DEPTHS, WIDTHS, planes
from benchmarks.u_net import Block, norm
from torch import nn

SIDE = 64
VERDICTS = ("blemish", "permanent", "nothing")
_LEVELS = 3
_REACH = ((2, 6), (1, 3), (1, 2))
"""At each level, in its cells: the find itself and what lies around it, 4 and 12 px."""


class JudgeNet(nn.Module):  # type: ignore[misc]
    """Planes ``(n, 6, 64, 64)`` in, logits ``(n, verdicts)`` out."""

    def __init__(self) -> None:
        super().__init__()
        widths, depths = WIDTHS[:_LEVELS], DEPTHS[:_LEVELS]
        self.stem = nn.Sequential(norm(6, widths[0], 3, 2), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(norm(a, a, 3, 2, groups=a), norm(a, b, 1), nn.ReLU(inplace=True))
            for a, b in pairwise(widths)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(d))) for w, d in zip(widths, depths, strict=True)
        )
        seen = 2 * sum(widths) + widths[-1]
        self.head = nn.Sequential(
            nn.Linear(seen, 48), nn.ReLU(), nn.Dropout(0.3), nn.Linear(48, len(VERDICTS))
        )

    def forward(self, x: Any) -> Any:
        """The mean over the find and the most around it at each level, and the mean of the deepest."""
        x, seen = self.stem(x), []
        for level, (near, far) in enumerate(_REACH):
            x = self.stages[level](x if level == 0 else self.down[level - 1](x))
            half = SIDE >> (level + 2)
            inner, outer = slice(half - near, half + near), slice(half - far, half + far)
            seen += [x[:, :, inner, inner].mean((2, 3)), x[:, :, outer, outer].amax((2, 3))]
        return self.head(torch.cat([*seen, x.mean((2, 3))], 1))


class ShippedJudge(nn.Module):  # type: ignore[misc]
    """The network as the engine runs it: sRGB in, odds out."""

    def __init__(self, net: JudgeNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, rgb: Any) -> Any:
        """Odds ``(n, verdicts)``, together 1."""
        return torch.softmax(self.net(planes(rgb)), 1)
