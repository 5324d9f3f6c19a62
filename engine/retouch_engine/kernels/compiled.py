"""How kernels are compiled: once for each machine, when they are imported, never in the middle of a photo.

What was compiled is kept in a folder that only its owner may enter, because it is code. It is named after all
that it comes from: numba knows a loop's own file by its time, not what that file uses.
A folder that cannot be used costs time and nothing else. Those of versions that nobody started for a month
are removed; whoever runs holds its own by a lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import types

Loop = TypeVar("Loop", bound=Callable[..., Any])
_OPTIONS = {"nogil": True, "error_model": "numpy"}
_kept_in: list[Path] = []
"""The folder; empty where none can be used."""
_NUMBAS = re.compile(r".+\.nb[ic](\..+)?")
_UNUSED_S = 30 * 86_400.0
_TRIES = 3


def _seen(kind: Any, axes: int, layout: str = "C") -> Any:
    """An array that is only read: what is frozen fits, and what is not fits too."""
    return types.Array(kind, axes, layout, readonly=True)


MASK = _seen(types.boolean, 2, "A")
"""Bool ``(h, w)``, a view or not."""
BLOCK = _seen(types.boolean, 2)
"""The same, in one block."""
PLANE = _seen(types.float32, 2, "A")
PLANES = _seen(types.float32, 3)
"""Float32 ``(k, h, w)`` or ``(h, w, 3)``, in one block."""
VIEW = _seen(types.float32, 3, "A")
"""The same, a view or not."""
WIDE = _seen(types.uint16, 3, "A")
"""Samples of 16 bits, a view or not."""
PLACES = _seen(types.intp, 2)
"""``(n, 2)``: rows and columns."""
ORDER = _seen(types.intp, 1)
VALUES = _seen(types.float32, 1)
FLAGS = _seen(types.boolean, 1)
ROWS = _seen(types.float32, 2)
"""Float32 ``(n, k)``."""
OWN = types.Array(types.float32, 2, "C")
"""The same, and changed in its place."""
TABLE = _seen(types.float64, 2)
NUMBERS = _seen(types.float64, 1)
WHOLE = types.intp
REAL = types.float64
UniTuple = types.UniTuple
"""So many of one kind."""


def _prepare() -> None:
    """Choose the folder: below ``NUMBA_CACHE_DIR``, else where programs of this user keep such things."""
    given = numba.config.CACHE_DIR or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "retouchd"))
    text = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    try:
        folder = Path(given).expanduser() / hashlib.sha256(numba.__version__.encode() + text).hexdigest()[:16]
        # Both closed: who may write to the upper one could put another folder in this one's place.
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _hold(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home is known
        _do_without(error)
    else:
        _kept_in.append(folder)
        numba.config.CACHE_DIR = str(folder)
        _sweep(folder.parent)


def _hold(folder: Path) -> None:
    """Make the folder, and keep it from being swept for as long as this process runs.

    Raises:
        OSError: it cannot be used.
    """
    for _ in range(_TRIES):
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # not every network folder knows locks; nothing is swept there either
            fcntl.flock(held, fcntl.LOCK_SH)
        os.utime(held)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), folder.stat()):
                return
        os.close(held)  # it was swept between the two
    raise OSError("it is removed again and again")


def _sweep(place: Path) -> None:
    """Remove the folders of versions that were not started for a month and do not run."""
    for folder in place.glob("[0-9a-f]" * 16):
        with suppress(OSError), _alone(folder):
            unused = time.time() - folder.stat().st_mtime > _UNUSED_S
            # NUMBA_CACHE_DIR may be others' place as well.
            if unused and all(path.is_dir() or _NUMBAS.fullmatch(path.name) for path in folder.rglob("*")):
                shutil.rmtree(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While nobody else holds the folder, or can begin to.

    Raises:
        OSError: somebody does, or it is no folder.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def _do_without(error: Exception) -> None:
    """Keep nothing any more, and begin anew at the next start."""
    while _kept_in:
        shutil.rmtree(_kept_in.pop(), ignore_errors=True)
    warnings.warn(f"compiled loops cannot be kept, so each start compiles them: {error}", stacklevel=3)


def kernel(*arguments: Any) -> Callable[[Loop], Loop]:
    """Compile a loop for these arguments, at once; what was compiled before is read from its folder."""

    def compile_(loop: Loop) -> Loop:
        if _kept_in:
            try:
                return cast("Loop", numba.njit([arguments], cache=True, **_OPTIONS)(loop))
            except Exception as error:  # noqa: BLE001 - a full disk, pickle and LLVM each raise their own
                _do_without(error)
        return cast("Loop", numba.njit([arguments], **_OPTIONS)(loop))

    return compile_


def part(loop: Loop) -> Loop:
    """A piece of kernels, compiled into each of them."""
    return cast("Loop", numba.njit(**_OPTIONS)(loop))


_prepare()
