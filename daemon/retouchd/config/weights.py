"""The settings of neural models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from retouchd.config.tree import Tree, absolute_path


def optional_path(value: str) -> str:
    """An absolute path, or nothing.

    Raises:
        ValueError: neither.
    """
    return str(absolute_path(Path(value))) if value else value


class ModelSettings(Tree):
    """Neural models, and the card that they may use. None is needed; the service never downloads any."""

    folder: Annotated[str, AfterValidator(optional_path)] = Field(
        default="", description='Where models lie. Empty: "models" inside state_dir.'
    )
    use: tuple[str, ...] = Field(
        default=(), description="Models to use, by id. Empty: all that are in the folder."
    )
    accept_noncommercial: bool = Field(
        default=False,
        description="Use models whose licence forbids commercial work. Every record then says which.",
    )
    budget_gb: float = Field(
        default=-1.0,
        ge=-1,
        le=10_000,
        description="Gigabytes of a graphics card's memory to use. -1: what is free. 0: no card at all.",
    )
    cards: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(),
        description="Graphics cards to use, by nvidia-smi's numbers; one worker for each. Empty: all.",
    )
    pinned: tuple[str, ...] = Field(
        default=(), description="Models that are loaded before the service is ready, and stay."
    )
    idle_s: float = Field(
        default=900.0,
        ge=0,
        le=604_800,
        description="Seconds after which a model that nothing needed is let go of.",
    )
    compile: bool = Field(
        default=False,
        description="Compile transformers: minutes at the first photo, quicker ones after it.",
    )
