"""What every runtime offers a healer: fill the hole of one crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from retouch_engine.types import Bool, Float


@dataclass(frozen=True, slots=True)
class FillOrder:
    """One crop to fill.

    ``image`` is float32 ``(h, w, 3)``, 0 to 1, encoded; ``hole`` is bool ``(h, w)``. Height and width are
    multiples of what the model asks for.
    """

    image: Float
    hole: Bool
    seed: int
    steps: int


Fill = Float
"""float32 ``(h, w, 3)``, 0 to 1, the size of the order; what lies outside the hole is not to be believed."""


class Filler(Protocol):
    """A loaded model."""

    def fill(self, order: FillOrder) -> Fill:
        """Fill the hole. The same order gives the same fill.

        Raises:
            ModelUnusable: what came out is not what the manifest promises.
        """

    def close(self) -> None:
        """Give its memory back."""
