"""``retouchd`` and ``python -m retouchd``."""

from __future__ import annotations

from retouchd.cli import main

if __name__ == "__main__":
    main()
