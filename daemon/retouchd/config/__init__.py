"""Settings: a typed tree, read once and handed down.

``settings`` says what there is, ``load`` reads it and reports every mistake at once, ``write`` generates the
documented default from the same tree, so that the three cannot disagree. ``overrides`` and ``tastes`` say
what a folder and a studio change of it.
"""

from __future__ import annotations

from retouchd.config.load import find, load, load_or_default
from retouchd.config.settings import Preset, Settings
from retouchd.config.watches import Watch
from retouchd.config.write import documented

__all__ = ["Preset", "Settings", "Watch", "documented", "find", "load", "load_or_default"]
