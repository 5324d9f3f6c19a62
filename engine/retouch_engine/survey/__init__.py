"""What is in the photo, before anyone looks for spots: the scene that detectors, healers and guard share.

Faces and their scale, skin, and what must never be touched. With onnxruntime a small network of this project
knows faces and their parts; without it skin is known by its colour and its smoothness alone, nothing says how
many pixels a millimetre is, and the notes say that.
"""

from retouch_engine.survey.faces import Face
from retouch_engine.survey.parts import knows_faces
from retouch_engine.survey.protect import Cause
from retouch_engine.survey.scene import Scene
from retouch_engine.survey.second import Opinions
from retouch_engine.survey.upright import survey

__all__ = ["Cause", "Face", "Opinions", "Scene", "knows_faces", "survey"]
