"""Which recipe a photo gets: its preset, changed by the nearest ``retouch.toml`` upwards.

Only the nearest file counts; files are not merged, so that one glance at one file says what happens. It is
read for each photo, so that a correction takes effect at once.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, create_model

from retouch_engine import Recipe
from retouchd import presence
from retouchd.config import Preset, Settings, tastes
from retouchd.config.load import read_toml, recipe_mistakes, validated
from retouchd.config.settings import untangled
from retouchd.errors import ConfigMistakes, FolderMistake, Mistake

FILE_NAME = "retouch.toml"


class _Base(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None = Field(None, description="Start from this preset.")


_OPTIONAL = {
    name: (field.annotation, Field(None, validate_default=False, description=field.description))
    for name, field in Preset.model_fields.items()
}
FolderSettings = create_model("FolderSettings", __base__=_Base, **_OPTIONAL)  # type: ignore[call-overload]
"""What a ``retouch.toml`` may say: a preset's name and any of a preset's settings."""


def nearest(photo: Path, top: Path) -> Path | None:
    """The closest ``retouch.toml`` in the photo's folder or above it, not above ``top``."""
    for folder in photo.parents:
        candidate = folder / FILE_NAME
        if presence.file(candidate):
            return candidate
        if folder == top:
            return None
    return None


def recipe_for(photo: Path, top: Path, preset: str, settings: Settings) -> Recipe:
    """The recipe for one photo, with what was learned of the studio's own taste.

    Raises:
        FolderMistake: the ``retouch.toml`` that applies has mistakes.
        BrokenCalibration: there is a calibration, and it cannot be used.
    """
    path = nearest(photo, top)
    if path is None:
        return tastes.applied(settings.presets[preset].recipe(preset), settings.state_dir)
    try:
        return tastes.applied(_overridden(path, preset, settings), settings.state_dir)
    except ConfigMistakes as error:
        raise FolderMistake(error.mistakes) from None


def _overridden(path: Path, preset: str, settings: Settings) -> Recipe:
    raw = read_toml(path)
    _, mistakes = validated(FolderSettings, raw, path)
    name = raw.get("preset", preset)
    known = sorted(settings.presets)
    if isinstance(name, str) and name not in known:
        mistakes.append(Mistake(path, "preset", repr(name), "one of " + ", ".join(known)))
    if mistakes:
        raise ConfigMistakes(mistakes)
    base = settings.presets[name]
    changes = untangled({key: value for key, value in raw.items() if key != "preset"}, base)
    merged, mistakes = validated(Preset, {**base.model_dump(), **changes}, path)
    if merged is None or (mistakes := recipe_mistakes(merged, "", path)):
        raise ConfigMistakes(mistakes)
    return merged.recipe(name)
