"""What runs models: the only rooms that know onnxruntime, torch and diffusers, each imported when used.

They load from a folder and never from a network; what they return computes one crop at a time and knows
nothing of skin.
"""

from retouch_engine.runtime.base import Fill, Filler, FillOrder
from retouch_engine.runtime.load import load
from retouch_engine.runtime.machine import look

__all__ = ["Fill", "FillOrder", "Filler", "load", "look"]
