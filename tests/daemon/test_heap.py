"""What the worker tells Python's collector."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from retouchd.work import heap

class Thing: pass
kept = [Thing() for _ in range(1000)]
heap.keep_what_is_loaded()
assert not any(isinstance(found, Thing) for found in gc.get_objects())
made = Thing()
made.self = made
made = None
assert gc.collect() >= 1
print(len(kept))
"""


def test_what_is_loaded_is_not_looked_through_again_and_later_rubbish_is() -> None:
    """In a process of its own: what is frozen stays so."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1000"
