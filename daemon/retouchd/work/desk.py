"""What lies before the dispatcher: whom it works with, and the photo that a worker has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from retouch_engine import Corrections, Recipe
from retouchd.jobs import Digest, InstanceId, Outcome
from retouchd.results import corrections
from retouchd.results.corrections import LastRun, Memory
from retouchd.state.journal import Journal
from retouchd.state.rows import Row
from retouchd.work.crew import Crew
from retouchd.work.room import Room


@dataclass(frozen=True, slots=True)
class Desk:
    """What the dispatcher works with."""

    journal: Journal
    crew: Crew
    instance: InstanceId
    state_dir: Path
    room: Room
    """In the state folder."""
    online: Callable[[], Sequence[bytes]]
    """The roots whose photos can be worked on now."""
    published: Callable[[Path], None]
    """Told of each folder that changed."""
    alive: Callable[[], None] = lambda: None
    there: Callable[[bytes], bool] = lambda _: True
    """Whether the folders of a root answer, asked now."""
    away: Callable[[Path], bool] = lambda _: False
    """Whether a path lies on a mount below its root that went away."""
    answers: Callable[[Path], bool] = lambda _: True
    """Whether a folder of results is on no dead share."""
    done: Callable[[dict[str, Any]], None] = lambda _: None
    failed: Callable[[dict[str, Any]], None] = lambda _: None
    """Told of each photo that came to rest."""
    clock: Callable[[], float] = time.monotonic
    """For pauses that are over with this run: the journal's may be set back."""


@dataclass(frozen=True, slots=True)
class InHand:
    """The photo that a worker has."""

    row: Row
    recipe: Recipe
    memory: Memory | None = None
    """What a person decided about it, once its bytes are known."""
    mask: tuple[Path, Digest] | None = None
    """A mask that a person edited."""
    last: LastRun = field(default_factory=LastRun)
    """Where it is taken up, when a person corrected it and did not ask to have it done anew."""

    @property
    def key(self) -> Digest:
        """Names the work: the recipe, and what a person decided."""
        return Digest((self.memory.decided if self.memory else Corrections()).key(self.recipe.digest))


def remembered(hand: InHand, outcome: Outcome, folder: Path) -> InHand:
    """The photo in hand with what was read from an edited mask; kept before anything is published."""
    if hand.memory is None or hand.mask is None:
        return hand
    memory = corrections.learned(hand.memory, outcome.record, "mask")
    memory = replace(memory, masks=(*memory.masks, hand.mask[1]), approved="")
    corrections.write(hand.row.file, folder, memory)
    return replace(hand, memory=memory)
