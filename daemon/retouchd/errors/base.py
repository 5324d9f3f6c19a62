"""What ends a command, and what ends only one photo."""

from __future__ import annotations

from typing import ClassVar


class RetouchdError(Exception):
    """Anything that ends a command."""

    exit_code: ClassVar[int] = 1


class JobError(RetouchdError):
    """One photo's failure. ``retryable``: the same file may succeed later without anyone touching it."""

    code: ClassVar[str] = "job"
    retryable: ClassVar[bool] = False
