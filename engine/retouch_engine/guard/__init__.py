"""The guard: figures of one heal against the same figures of the photo's own clean skin.

Fixed thresholds lie: on a 10 px disc of untouched skin the finest band's contrast ranges from 0.6 to 1.4 of
its surroundings. So the same shape is laid on clean skin of the same photo many times, and a heal passes when
it looks like one of those. A heal that fails says why; it is never shipped silently.
"""

from retouch_engine.guard.figures import bands, filtered, ring_width
from retouch_engine.guard.judge import repeats
from retouch_engine.guard.yardstick import Yardstick

__all__ = ["Yardstick", "bands", "filtered", "repeats", "ring_width"]
