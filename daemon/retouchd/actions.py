"""What a person may ask for: retry, skip, pause, resume. One function each, over the journal alone.

The daemon answers requests with these, and a command without a daemon runs the same functions itself, so
that an answer never depends on who gave it. A row is changed only from the revision that was read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from retouchd import knock
from retouchd.config import Settings
from retouchd.errors import BadRequest, JobInHand, NotWatched, UnknownJob
from retouchd.jobs import IN_HAND, LEFT_ALONE, Asked, JobId, State
from retouchd.state.journal import EVERYWHERE, Journal, holding
from retouchd.state.rows import Row
from retouchd.text import shown

Action = Callable[[Settings, Journal, str], str]


def find(journal: Journal, given: str) -> Row:
    """The row of a photo, by absolute path or by job number.

    Raises:
        UnknownJob: there is none.
    """
    path = Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would follow symlinks
    row = journal.find(os.fsencode(path)) or journal.find(os.fsencode(knock.real([path])[path]))
    if row is None and given.isascii() and given.isdigit():
        row = journal.get(JobId(int(given)))
    if row is None:
        raise UnknownJob(given)
    return row


def change(journal: Journal, row: Row, after: Row) -> None:
    """Write a decision of a person.

    Raises:
        JobInHand: the daemon has the photo, or just took it.
    """
    if row.state in IN_HAND or journal.save(after) is None:
        raise JobInHand(row.file, row.state)


def taken_up(row: Row, now: float, why: str, asked: int = Asked.ANEW) -> Row:
    """The row of a photo that starts anew."""
    fresh = replace(row, state=State.SETTLING, reason=why, code="", plan="", not_before=0.0)
    return replace(fresh, attempts=0, deaths=0, made=0, seen_at=now, forced=asked)


def retry(_settings: Settings, journal: Journal, given: str) -> str:
    """Try a photo again."""
    row = find(journal, given)
    change(journal, row, taken_up(row, journal.now(), "asked to try again"))
    return f"{shown(row.file)} is taken up again with the next look at its folder"


def submit(settings: Settings, journal: Journal, given: str) -> str:
    """Have a look at a photo now; one that was given up is tried again.

    Raises:
        NotWatched: it lies below no watched folder.
    """
    path = Path(os.path.abspath(given))  # noqa: PTH100 - resolve() would follow symlinks
    if not given or not any(path.is_relative_to(w.path) for w in settings.watch):
        raise NotWatched(given)
    row = journal.find(os.fsencode(path))
    if row and row.state in {State.SKIPPED, State.QUARANTINED}:
        return retry(settings, journal, str(path))
    return f"{shown(path)} is {row.state}" if row else f"{shown(path)} is taken with the next look"


def skip(_settings: Settings, journal: Journal, given: str) -> str:
    """Leave a photo alone until it changes or is asked for again."""
    row = find(journal, given)
    told = "a person asked to leave it alone"
    change(journal, row, replace(row, state=State.SKIPPED, reason=told, code=LEFT_ALONE, plan=""))
    return f"{shown(row.file)} is left alone; undo with: retouchd retry"


def pause(settings: Settings, journal: Journal, given: str) -> str:
    """Stop work below one root or everywhere; what is in hand is finished."""
    root = _root(settings, given)
    journal.pause(root)
    return f"paused: {_called(root)}; go on with: retouchd resume"


def resume(settings: Settings, journal: Journal, given: str) -> str:
    """Go on below one root or everywhere.

    Raises:
        NotWatched: no such root, and no pause of it that was left from other settings.
    """
    root = os.fsencode(given) if os.fsencode(given) in journal.paused() else _root(settings, given)
    journal.resume(root)
    still = "; ".join(_still(one) for one in holding(journal.paused(), root))
    return f"resumed: {_called(root)}{f' ({still})' if still else ''}"


def _still(pause: bytes) -> str:
    """A pause that holds although that of a single folder ended."""
    if pause == EVERYWHERE:
        return "all folders are paused; retouchd resume without a folder ends that"
    return f"{shown(pause)} above it is paused; retouchd resume {shown(pause)} ends that"


ACTIONS: Mapping[str, Action] = {
    "retry": retry,
    "skip": skip,
    "submit": submit,
    "pause": pause,
    "resume": resume,
}


def perform(settings: Settings, journal: Journal, what: str, given: str) -> str:
    """Do what was asked for; the answer is one line for a person.

    Raises:
        RetouchdError: one class for each reason why not.
    """
    action = ACTIONS.get(what)
    if action is None:
        raise BadRequest(what)
    if not _could_be_a_name(given):
        raise BadRequest(f"{what} {given}")
    return action(settings, journal, given)


def _could_be_a_name(given: str) -> bool:
    """Whether the system takes it as a path: JSON can say more, and the service must not die of it."""
    try:
        return b"\0" not in os.fsencode(given)
    except UnicodeEncodeError:
        return False


def _root(settings: Settings, given: str) -> bytes:
    if not given:
        return EVERYWHERE
    real = knock.real([Path(given), *(watch.path for watch in settings.watch)])
    wanted = {Path(given), real[Path(given)]}
    for watch in settings.watch:
        if watch.path in wanted or real[watch.path] in wanted:
            return watch.root
    raise NotWatched(given)


def _called(root: bytes) -> str:
    return shown(root) if root else "all folders"
