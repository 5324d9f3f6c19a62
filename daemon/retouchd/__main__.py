"""``retouchd`` and ``python -m retouchd``: the standard streams first, then all that opens files."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line."""
    _open_what_is_closed()
    # Not before: libffi, which half of all libraries load, keeps a file open from 3.5 on.
    from retouchd.cli import main as command_line

    command_line()


def _open_what_is_closed() -> None:
    """The number of a closed stream goes to the next file that is opened: what is printed lands in it."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)  # those whom we start would have the same trouble
    os.close(fd)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


if __name__ == "__main__":
    main()
