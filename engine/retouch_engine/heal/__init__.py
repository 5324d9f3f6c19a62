"""Healers: a crop of skin with a hole in it goes in, the layers of a heal come out.

A healer never mixes pixels (the compositor does), never judges itself (the guard does) and never knows
another healer. It returns layers, so that strength can be changed afterwards and a layer file costs nothing.
Healers are named in :mod:`retouch_engine.heal.registry` and nowhere else.
"""

from retouch_engine.heal.base import Heal, Healer, HealerSpec, Made, Wound
from retouch_engine.heal.registry import HEALERS, healers_of

__all__ = ["HEALERS", "Heal", "Healer", "HealerSpec", "Made", "Wound", "healers_of"]
