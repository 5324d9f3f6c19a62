"""The settings of watched folders: which, how they are looked at, where their results go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from retouchd.config.presets import BUILT_IN_PRESET
from retouchd.config.tree import AbsolutePath, Tree, absolute_path

BESIDE = "beside"
_MIRROR = "mirror:"


def output_place(value: str) -> str:
    """Where results go, in its canonical form.

    Raises:
        ValueError: neither of the two forms.
    """
    if value == BESIDE:
        return value
    if not value.startswith(_MIRROR):
        raise ValueError('"beside", or "mirror:" and an absolute path')
    return f"{_MIRROR}{absolute_path(Path(value.removeprefix(_MIRROR)))}"


def ignored_name(value: str) -> str:
    """A pattern of files or folders below a watched folder.

    Raises:
        ValueError: it could fit nothing, or everything.
    """
    if not value.strip("/*") or value.startswith("/") or {".", ".."} & set(value.split("/")):
        raise ValueError('a name or a path below the watched folder, such as "selects" or "*_proof.jpg"')
    return value


class Watch(Tree):
    """One hot folder. Repeat the block for more; none may lie inside another."""

    path: AbsolutePath = Field(description="The folder to watch. Results appear beside each photo.")
    preset: str = Field(default=BUILT_IN_PRESET, description="The preset for its photos; see [presets.NAME].")
    recursive: bool = Field(default=True, description="Whether folders inside it are watched as well.")
    max_depth: int = Field(
        default=16, ge=1, le=1000, description="Folders inside folders are watched down to this depth."
    )
    output: Annotated[str, AfterValidator(output_place)] = Field(
        default=BESIDE,
        description='Where results go: "beside" each photo, or "mirror:/PATH", where the same subfolders are'
        " made. /PATH has to lie outside of every watched folder.",
    )
    marker: str = Field(
        default="",
        pattern=r"^[^/\x00-\x1f\x7f]*$",
        max_length=255,
        description="The name of a file that lies in this folder whenever the share is there; while it is"
        " missing the folder counts as offline. Empty: the mount alone is judged.",
    )

    ignore: tuple[Annotated[str, AfterValidator(ignored_name)], ...] = Field(
        default=(),
        description='Files and folders that are left alone: "selects", "*_proof.jpg", "2024/raw/**". * and ?'
        " stay inside one name, ** crosses folders; without a slash a name is meant at any depth.",
    )

    @property
    def root(self) -> bytes:
        """Its path, as the journal keeps it."""
        return os.fsencode(self.path)

    @property
    def mirror(self) -> Path | None:
        """Where results are collected; None when they lie beside each photo."""
        return None if self.output == BESIDE else Path(self.output.removeprefix(_MIRROR))

    def results_of(self, photo: Path) -> Path:
        """The folder for the results of a photo of this root."""
        return self.mirror / photo.parent.relative_to(self.path) if self.mirror else photo.parent


class Scan(Tree):
    """How folders are looked at. The scan is the authority; events of the kernel only hasten it."""

    interval_local_s: float = Field(
        default=2.0, gt=0, le=3600, description="Seconds between two looks at a folder on a local disk."
    )
    interval_network_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="The same for NFS, SMB and other network file systems, which tell no events.",
    )
    settle_local_s: float = Field(
        default=2.0,
        ge=0,
        le=3600,
        description="Seconds that size, mtime and ctime of a photo must stand still before it is taken.",
    )
    settle_network_s: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="The same on network file systems, whose answers may be a few seconds old.",
    )
    incomplete_grace_s: float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="A photo whose end is missing counts as a copy under way for this long, then is tried"
        " rarely. It is never dropped.",
    )
