"""Heavy libraries are loaded only when there are pixels to work on."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "cv2", "torch", "onnxruntime", "imagecodecs", "tifffile", "numba")
PROGRAM = "import sys\n{what}\nprint(*sorted(set(sys.modules) & set({heavy!r})))"
HELP = """
from retouchd.__main__ import main
sys.argv = ["retouchd", "--help"]
try:
    main()
except SystemExit:
    pass
"""


def _loaded(what: str) -> str:
    program = PROGRAM.format(what=what, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].strip()


def test_the_engines_front_door_loads_no_array_library() -> None:
    assert _loaded("import retouch_engine") == ""


def test_asking_for_help_loads_no_array_library() -> None:
    assert _loaded(HELP) == ""
