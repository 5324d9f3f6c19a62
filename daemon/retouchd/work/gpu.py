"""The graphics cards of this machine, as NVIDIA's own tool tells; an empty list where there are none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
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


def visible(found: Sequence[Card], environment: str | None, wanted: Sequence[int]) -> tuple[str, ...]:
    """What to call each card that may be used, one for each worker.

    Args:
        found: the cards of this machine.
        environment: ``CUDA_VISIBLE_DEVICES`` as it stands; None where it does not.
        wanted: the settings' choice, by nvidia-smi's numbers; empty for all.
    """
    names = [str(card.index) for card in found]
    if environment is not None:
        # Numbers in it count as the driver does unless it was told otherwise; UUIDs are told by their dash.
        told = [word.strip() for word in environment.split(",")]
        names = [name for name in told if name in names or "-" in name.lstrip("-")]
    return tuple(name for name in names if not wanted or name in {str(number) for number in wanted})


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
