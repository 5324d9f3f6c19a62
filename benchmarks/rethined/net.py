"""The idea of RETHINED in our own network: a CNN for the structure, attention over real patches for detail.

Written from the paper (WACV 2025, arXiv 2503.14757), not from its code, which comes without a licence. The
structure is painted at a quarter of the size; the detail of each 8 px block of the hole is a block of real
skin of the same crop, at its own resolution, chosen by attention. The choice is learned as such: attention
pays for every block whose pores are not like the true ones. So nothing has to learn to paint pores.
"""

from __future__ import annotations

from typing import Any

import torch
from benchmarks.u_net import UNet
from torch import nn

WIDTHS = (24, 48, 80, 128)
DEPTHS = (1, 2, 3, 3)
KEYS = 16
BLOCK = 8
MULTIPLE = 32
GAIN = 4.0
"""Optical density to about unit deviation."""
_EMPTY = 1e-4


def density(rgb: Any) -> Any:
    """Optical density of sRGB values, one power for the whole curve."""
    return -2.4 * torch.log((rgb.clamp(0, 1) + 0.055) / 1.055)


def encoded(od: Any) -> Any:
    """The way back."""
    return (1.055 * torch.exp(-od / 2.4) - 0.055).clamp(0, 1)


def _pool(values: Any, factor: int) -> Any:
    return nn.functional.avg_pool2d(values, factor)


def _up(values: Any, factor: int) -> Any:
    return nn.functional.interpolate(values, scale_factor=factor, mode="bilinear", align_corners=False)


def spread(values: Any, keep: Any) -> Any:
    """Known values carried into the hole from ever coarser means: ``(n, c, h, w)`` at half of the size."""
    sums, weights = [_pool(values * keep, 2)], [_pool(keep, 2)]
    for _ in range(4):
        sums.append(_pool(sums[-1], 2))
        weights.append(_pool(weights[-1], 2))
    mean = sums[-1].mean((2, 3), keepdim=True) / (weights[-1].mean((2, 3), keepdim=True) + _EMPTY)
    filled = (sums[-1] + _EMPTY * mean) / (weights[-1] + _EMPTY)
    for total, weight in zip(sums[-2::-1], weights[-2::-1], strict=True):
        filled = total + (1 - weight) * _up(filled, 2)
    return filled


def texture(values: Any) -> tuple[Any, Any]:
    """What a quarter of the size holds, back at full size, and what it does not: low and high."""
    low = _up(_pool(values, 4), 4)
    return low, values - low


def likeness(high: Any) -> Any:
    """What pores look like around each block: how strong, how fine, which way; ``(n, 5, h / 8, w / 8)``."""
    grey = high.mean(1, keepdim=True)
    gx = nn.functional.pad(grey[..., 1:] - grey[..., :-1], (0, 1, 0, 0))
    gy = nn.functional.pad(grey[..., 1:, :] - grey[..., :-1, :], (0, 0, 0, 1))
    fine = grey - nn.functional.avg_pool2d(grey, 3, 1, 1)
    moments = torch.cat([grey**2, fine**2, gx**2, gy**2, gx * gy], 1)
    around = nn.functional.avg_pool2d(_pool(moments, BLOCK), 3, 1, 1, count_include_pad=False)
    strong, finest, xx, yy, xy = around.split(1, 1)
    total = xx + yy + 1e-6
    return torch.cat([0.5 * torch.log(strong + 1e-5), 0.5 * torch.log(finest + 1e-5),
                      (xx - yy) / total, 2 * xy / total, torch.log(total)], 1)  # fmt: skip


class Rethined(nn.Module):  # type: ignore[misc]
    """Image and mask in; coarse structure and the attention of every block to every other out."""

    def __init__(self) -> None:
        super().__init__()
        self.net = UNet(5, WIDTHS, DEPTHS, 3 + KEYS)
        nn.init.normal_(self.net.head.weight[:3], std=1e-3)
        self.sharp = nn.Parameter(torch.tensor(2.0))

    def forward(self, rgb: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Normalised density with its hole filled by structure, the block's keys, and the density's mean."""
        keep = 1 - mask
        od = density(rgb)
        mean = (od * keep).mean((2, 3), keepdim=True) / (keep.mean((2, 3), keepdim=True) + _EMPTY)
        x = (od - mean) * GAIN * keep
        smooth = spread(x, keep)
        filled = x + mask * _up(smooth, 2)
        edge = texture(filled)[1].mean(1, keepdim=True).abs() * keep
        said = self.net(torch.cat([_pool(filled, 2) * 0.5, _pool(keep, 2), _pool(edge, 2)], 1))
        coarse = _pool(filled, 4) + _pool(mask, 4) * said[:, :3]
        whole = x + mask * _up(coarse, 4)
        keys = nn.functional.normalize(_pool(said[:, 3:], 2), dim=1)
        return whole, keys, mean

    def logits(self, keys: Any, mask: Any) -> Any:
        """How much each block asks for each other, ``(n, blocks, blocks)``; those near the hole give none."""
        tokens = keys.flatten(2)
        holed = nn.functional.max_pool2d(nn.functional.max_pool2d(mask, BLOCK), 3, 1, 1).flatten(2)
        return torch.exp(self.sharp) * (tokens.transpose(1, 2) @ tokens) - 1e4 * holed


class Shipped(nn.Module):  # type: ignore[misc]
    """The network as the engine runs it: one image and its mask in, the image with its hole filled out."""

    def __init__(self, net: Rethined) -> None:
        super().__init__()
        self.net = net
        ramp = torch.tensor([0.0] * 6 + [0.125, 0.375, 0.625, 0.875] + [1.0] * 2)
        window = torch.cat([ramp, ramp.flip(0)])
        self.register_buffer("window", window[:, None] * window[None])

    def forward(self, image: Any, mask: Any) -> Any:
        """An sRGB image, 0 to 1, and a mask, 1 in the hole: ``(1, c, h, w)``, sides that 32 divides."""
        mask = (mask > 0.5).to(image.dtype)
        whole, keys, mean = self.net(image, mask)
        best = self.net.logits(keys, mask)[0].argmax(1)
        high = texture(whole)[1] * (1 - mask)
        detail = self._laid(high, best)
        filled = torch.where(mask > 0.5, texture(whole)[0] + detail, whole)
        return encoded(filled / GAIN + mean)

    def _laid(self, high: Any, best: Any) -> Any:
        """The chosen blocks, each with 2 px of what lies around it, faded into one another."""
        blocks = nn.functional.pixel_unshuffle(high, BLOCK)
        padded = nn.functional.pad(blocks, (1, 1, 1, 1))
        h, w = blocks.shape[2], blocks.shape[3]
        total, energy = torch.zeros_like(high), torch.zeros_like(high)
        for dy in range(3):
            for dx in range(3):
                # The block beside the chosen one, laid where the block beside the asking one lies.
                beside = padded[:, :, dy : dy + h, dx : dx + w].flatten(2)[:, :, best].unflatten(2, (h, w))
                beside = nn.functional.pad(beside, (1, 1, 1, 1))
                moved = beside[:, :, 2 - dy : 2 - dy + h, 2 - dx : 2 - dx + w]
                share = self.window[8 * dy : 8 * dy + 8, 8 * dx : 8 * dx + 8].flatten().repeat(3)
                share = share[None, :, None, None]
                total = total + nn.functional.pixel_shuffle(moved * share, BLOCK)
                energy = energy + nn.functional.pixel_shuffle(moved**2 * share, BLOCK)
        # Two textures that know nothing of each other lose contrast where they are mixed; this gives it back.
        wanted, found = (nn.functional.avg_pool2d(v, 5, 1, 2) for v in (energy, total**2))
        return total * torch.sqrt((wanted + _EMPTY) / (found + _EMPTY)).clamp(1, 1.5)
