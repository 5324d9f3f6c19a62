"""Where skin is, before anyone looks for spots: the scene that detectors, healers and guard share.

This version knows skin by its colour and its smoothness alone. It does not know faces, so it cannot say
how many pixels a millimetre is, and it says that.
"""

from retouch_engine.survey.scene import Scene, survey

__all__ = ["Scene", "survey"]
