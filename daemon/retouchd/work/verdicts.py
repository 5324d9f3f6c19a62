"""What a failure means for a photo: wait, try again, set aside, or leave alone. Pure decisions.

Nothing that can pass by itself is ever given up: a full disk, a share that does not answer and a copy under
way are waited for, without counting attempts.
"""

from __future__ import annotations

from dataclasses import replace

from retouchd.config import Settings
from retouchd.jobs import Failure, State
from retouchd.state.rows import Row

WAIT_S = {
    "disk-full": 60.0,
    "folder": 15.0,
    "folder-waits": 120.0,
    "settings": 15.0,
    "unsafe-folder": 60.0,
    "memory-short": 20.0,
    # A certificate that ran out, a time server that is away: a night's photos went to quarantine, each
    # rendered four times for it. Rarely, because each look costs a render.
    "not-signed": 600.0,
}
"""Outer conditions, and how long until they are looked at again."""
DEADLY = frozenset({"worker-died", "time-limit", "memory-ceiling", "worker-stuck"})
OURS = frozenset({"engine", "internal", "proof", "recipe", "loop"})
"""Failures that are not the photo's own: set aside for a person to look at."""

_FIRST_PAUSE_S = 10.0
_RARELY_S = 1800.0


def after_failure(row: Row, failure: Failure, settings: Settings, now: float, jitter: float) -> Row:
    """The row after an attempt that failed. ``jitter`` is 0 to 1 and spreads retries."""
    base = replace(row, reason=failure.message, code=failure.code, owner="", lease_until=0.0)
    if failure.code == "gone":
        return replace(base, state=State.SKIPPED)
    if failure.code == "changed":
        return replace(base, state=State.SETTLING, code="", not_before=0.0)
    if failure.code == "incomplete":
        return _incomplete(base, settings, now)
    if failure.code in WAIT_S:
        return replace(base, state=State.RETRY, not_before=now + WAIT_S[failure.code] * (1 + jitter / 4))
    if failure.code in DEADLY:
        return _deadly(base, settings, now)
    if failure.retryable:
        return _again(base, settings, now, jitter)
    return replace(base, state=State.QUARANTINED if failure.code in OURS else State.SKIPPED)


def _incomplete(row: Row, settings: Settings, now: float) -> Row:
    """The end is missing: a copy under way at first, later a broken one that may still be repaired."""
    tries = row.attempts + 1
    if row.younger_than(settings.scan.incomplete_grace_s, now):
        pause = min(_FIRST_PAUSE_S * 2**row.attempts, 300.0)
        return replace(row, state=State.SETTLING, attempts=tries, not_before=now + pause)
    return replace(row, state=State.RETRY, attempts=tries, not_before=now + _RARELY_S)


def _deadly(row: Row, settings: Settings, now: float) -> Row:
    """A photo that ends its worker again and again is set aside, so that the rest goes on."""
    deaths = row.deaths + 1
    if deaths >= settings.limits.worker_deaths:
        reason = f"{row.reason}; tried {deaths} times" if deaths > 1 else row.reason
        return replace(row, state=State.QUARANTINED, deaths=deaths, reason=reason)
    return replace(row, state=State.RETRY, deaths=deaths, not_before=now + 1.0)


def _again(row: Row, settings: Settings, now: float, jitter: float) -> Row:
    tries = row.attempts + 1
    if tries >= settings.limits.max_attempts:
        return replace(
            row, state=State.QUARANTINED, attempts=tries, reason=f"{row.reason}; tried {tries} times"
        )
    pause = min(_FIRST_PAUSE_S * 4**row.attempts, _RARELY_S) * (1 + jitter / 4)
    return replace(row, state=State.RETRY, attempts=tries, not_before=now + pause)


def after_publishing_failed(row: Row, failure: Failure, now: float) -> Row:
    """The row whose finished render could not be published. The render is kept wherever it is still good."""
    if failure.code in WAIT_S:
        wait = replace(row, state=State.RENDERED, reason=failure.message, code=failure.code)
        return replace(wait, not_before=now + WAIT_S[failure.code])
    gone = {"gone": State.SKIPPED, "changed": State.SETTLING, "staging": State.QUEUED}
    state = gone.get(failure.code, State.SKIPPED)
    return replace(row, state=state, reason=failure.message, code=failure.code, plan="", not_before=now)
