"""What every decoder of this room returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from retouch_engine.codec.metadata import SourceMetadata
from retouch_engine.codec.taken import SourceStrips


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder hands to :func:`~retouch_engine.codec.read.read_photo`.

    ``samples`` is ``(H, W, S)`` uint8 or uint16, native byte order; the first ``colours`` channels are the
    picture, the rest extra.
    """

    samples: NDArray[Any]
    colours: int
    extra_meaning: tuple[int, ...]
    profile: bytes | None
    lossy: bool
    metadata: SourceMetadata
    strips: SourceStrips | None = None
    """Of a file that is packed as results are."""
    halved_colour: bool = False
    """See :class:`retouch_engine.types.Photo`; where a lossy file does not say, it counts as halved."""
