"""How a photo is cut into tiles for looking at it: whole numbers, without a library."""

from __future__ import annotations

TILE_PX = 512
_MOST_LEVELS = 9


def pyramid(width: int, height: int) -> dict[str, int]:
    """``levels`` and ``tile`` (px) of a photo. Each level is half the one before; the last fits a tile."""
    levels, longest = 1, max(width, height)
    while longest > TILE_PX and levels < _MOST_LEVELS:
        longest //= 2
        levels += 1
    return {"levels": levels, "tile": TILE_PX}
