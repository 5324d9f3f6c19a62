"""The compositor: the only place where pixels mix, and the only place where they are rounded.

A heal's layers and the photo's own go in, a patch of 16-bit samples comes out. Outside a heal's support the
photo's samples stand, bit for bit.
"""

from retouch_engine.compose.compositor import compose

__all__ = ["compose"]
