"""The graphics cards of this machine, as NVIDIA's own tool tells; an empty list where there are none."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

_ASKED = "index,name,memory.used,memory.total,utilization.gpu"
_PATIENCE_S = 5.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Card:
    """One card."""

    index: int
    name: str
    used_bytes: int
    bytes: int
    busy: float
    """Share of the last moments in which it worked, 0 to 1."""


def parse(answer: str) -> list[Card]:
    """The cards in the answer to ``--query-gpu --format=csv,noheader,nounits``; other lines are passed over.

    A card that was lost answers ``[GPU is lost]`` or ``[N/A]`` where numbers should be.
    """
    cards = []
    for line in answer.splitlines():
        try:
            head, used, whole, busy = line.rsplit(",", 3)
            index, name = head.split(",", 1)
            card = Card(int(index), name.strip(), int(used) * _MIB, int(whole) * _MIB, int(busy) / 100)
        except ValueError:
            continue
        cards.append(card)
    return cards


def cards() -> list[Card]:
    """Ask now; a tool that hangs or fails is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, f"--query-gpu={_ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse(done.stdout)
