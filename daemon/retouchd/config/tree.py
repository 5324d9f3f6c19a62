"""What every branch of the settings is made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from retouchd.naming import has_control_characters


class Tree(BaseModel):
    """A branch of the settings: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def absolute_path(path: Path) -> Path:
    """A path with ``~`` filled in.

    Raises:
        ValueError: it is not absolute, or holds what no path of a setting should.
    """
    try:
        expanded = path.expanduser()
    except RuntimeError:
        raise ValueError("the home of a user that exists") from None
    if not expanded.is_absolute():
        raise ValueError("an absolute path")
    if has_control_characters(expanded):
        # Every photo below it would be refused for its name.
        raise ValueError("a path without control characters")
    return Path(os.path.normpath(expanded))


AbsolutePath = Annotated[Path, AfterValidator(absolute_path)]
