"""Reading settings: every mistake at once, each with file, key, what was found and what is allowed."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from retouch_engine import EngineError as RecipeProblem
from retouch_engine import Kind, Recipe
from retouchd import knock, mounts, presence
from retouchd.config.presets import BUILT_IN, BUILT_IN_PRESET
from retouchd.config.settings import Preset, Settings
from retouchd.config.tree import absolute_path
from retouchd.config.watches import Watch
from retouchd.errors import ConfigMistakes, ConfigNotFound, Mistake

_T = TypeVar("_T", bound=BaseModel)


def places() -> list[Path]:
    """Where a configuration is looked for when no option names one, best first.

    The folder that a command is called in comes last. A clone of this project has a config.toml, the
    documented default: called there, everything asked about its folders instead of one's own, and the unit
    that install-service wrote watched them.
    """
    named = os.environ.get("RETOUCHD_CONFIG")
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    rest = [home / "retouchd/config.toml", Path("/etc/retouchd/config.toml"), Path("config.toml")]
    return [Path(named)] if named else rest


def find(named: Path | None) -> Path:
    """The configuration to use.

    Raises:
        ConfigNotFound: there is none.
    """
    looked = [named] if named else places()
    for path in looked:
        if presence.file(path):
            return path
    raise ConfigNotFound(looked)


def load(path: Path, table: Sequence[mounts.Mount] | None = None) -> Settings:
    """The settings in a file.

    Raises:
        ConfigMistakes: all of them.
    """
    raw = read_toml(path)
    settings, mistakes = validated(Settings, raw, path)
    mistakes += _recipe_mistakes(raw, path) + _place_mistakes(
        raw, path, mounts.current() if table is None else table
    )
    if settings is None or mistakes:
        raise ConfigMistakes(mistakes)
    return settings


def load_or_default(named: Path | None) -> Settings:
    """The settings found, or the built-in ones: ``process`` works without any configuration."""
    try:
        path = find(named)
    except ConfigNotFound:
        if named or "RETOUCHD_CONFIG" in os.environ:
            raise
        return Settings()
    return load(path)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigMistakes: it cannot be read, or is not TOML.
    """
    try:
        # Windows' editors begin a file with a mark, and a client's folder is often edited from there.
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigMistakes(
            [Mistake(path, "file", error.strerror or "an error", "a readable file")]
        ) from None
    except UnicodeDecodeError:
        raise ConfigMistakes([Mistake(path, "file", "bytes that are not UTF-8", "UTF-8 text")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigMistakes([Mistake(path, "file", str(error), "valid TOML")]) from None


def validated(model: type[_T], raw: Mapping[str, Any], path: Path | None) -> tuple[_T | None, list[Mistake]]:
    """The tree, or every mistake in it."""
    try:
        return model.model_validate(raw), []
    except ValidationError as error:
        return None, [_mistake(model, detail, path) for detail in error.errors(include_url=False)]


def _mistake(model: type[BaseModel], detail: ErrorDetails, path: Path | None) -> Mistake:
    key = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in detail["loc"]).lstrip(".")
    kind = detail["type"]
    if kind == "extra_forbidden":
        return Mistake(path, key, "an unknown key", "one of " + ", ".join(_siblings(model, detail["loc"])))
    if kind == "missing":
        return Mistake(path, key, "nothing", "this key is required")
    if kind == "path_type":
        return Mistake(path, key, repr(detail["input"]), "an absolute path")
    if kind == "tuple_type":
        return Mistake(path, key, repr(detail["input"]), 'a list, such as ["one", "two"]')
    allowed = detail["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Mistake(path, key, repr(detail["input"]), allowed)


def _siblings(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """The keys that are known where an unknown one was found."""
    here: type[BaseModel] = model
    for part in list(loc)[:-1]:
        field = here.model_fields.get(str(part))
        inner = _inner_model(field.annotation) if field else None
        here = inner or here
    return sorted(here.model_fields)


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_inner_model(arg) for arg in get_args(annotation))
    return next((model for model in found if model), None)


def _tables(raw: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The sub-tables under a key, whatever else stands there."""
    value = raw.get(key)
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, table in pairs:
        if isinstance(table, dict):
            yield (f"{key}.{name}" if isinstance(name, str) else f"{key}[{name + 1}]"), table


def _recipe_mistakes(raw: Mapping[str, Any], path: Path) -> list[Mistake]:
    """What only a whole recipe shows, such as a kind that is both removed and offered for review."""
    mistakes = []
    for key, table in _tables(raw, "presets"):
        preset, wrong = validated(Preset, table, path)
        if preset and not wrong:
            mistakes += recipe_mistakes(preset, key, path)
    return mistakes


def recipe_mistakes(preset: Preset, key: str, path: Path | None) -> list[Mistake]:
    """What the engine says of a preset whose single values are fine."""
    both = sorted(set(preset.remove) & set(preset.review))
    if both:
        names = ", ".join(both)
        return [Mistake(path, f"{key}.review".lstrip("."), names, "kinds that remove does not name already")]
    try:
        preset.recipe(key)
    except RecipeProblem as error:
        return [Mistake(path, key, str(error), "see the list of kinds: " + ", ".join(Kind))]
    return []


def _place_mistakes(raw: Mapping[str, Any], path: Path, table: Sequence[mounts.Mount]) -> list[Mistake]:
    """Roots inside each other, presets that do not exist, a state folder where it must not be.

    Where all of it really lies is asked at once. A service that was started again beside a dead share never
    got beyond its settings; later, beside 18 folders of one, not before systemd took the start for failed.
    """
    named = {f"{key}.path": _place(watch.get("path")) for key, watch in _tables(raw, "watch")}
    named |= {f"{key}.output": _mirror(watch, path) for key, watch in _tables(raw, "watch")}
    named["state_dir"] = _place(raw.get("state_dir", str(Settings().state_dir)))
    lies = knock.real(place for place in named.values() if place)
    real = {key: lies[place] for key, place in named.items() if place}
    roots = {key: root for key, root in real.items() if key.endswith(".path")}
    mistakes = [*_overlaps(roots, path), *_output_mistakes(real, roots, path)]
    known = sorted({*BUILT_IN, *(raw["presets"] if isinstance(raw.get("presets"), dict) else ())})
    for key, watch in _tables(raw, "watch"):
        name = watch.get("preset", BUILT_IN_PRESET)
        if isinstance(name, str) and name not in known:
            mistakes.append(Mistake(path, f"{key}.preset", repr(name), "one of " + ", ".join(known)))
    state = real.get("state_dir")
    return mistakes + (list(_state_mistakes(state, roots, path, table)) if state else [])


def _place(value: Any) -> Path | None:
    """A path of the settings; None when it is a mistake, told elsewhere."""
    try:
        return absolute_path(Path(value))
    except (TypeError, ValueError):
        return None


def _mirror(watch: Mapping[str, Any], path: Path) -> Path | None:
    """The mirror of a watched folder without mistakes, if it has one."""
    watched, _ = validated(Watch, watch, path)
    return watched.mirror if watched else None


def _overlaps(roots: Mapping[str, Path], path: Path) -> Iterator[Mistake]:
    for key, root in roots.items():
        for other, above in roots.items():
            if key != other and root.is_relative_to(above) and (root != above or key > other):
                allowed = f"a folder outside of {_block(other)} ({above})"
                yield Mistake(path, key, repr(str(root)), allowed)


def _block(key: str) -> str:
    return key.rpartition(".")[0]


def _output_mistakes(real: Mapping[str, Path], roots: Mapping[str, Path], path: Path) -> Iterator[Mistake]:
    """Results that would be photos again: a mirror inside a watched folder, or around one."""
    state = real.get("state_dir")
    for key, mirror in real.items():
        if not key.endswith(".output"):
            continue
        for other, root in roots.items():
            if mirror.is_relative_to(root) or root.is_relative_to(mirror):
                where = f"{_block(other)} ({root})"
                allowed = f"a folder outside of {where} and not above it: results would be taken again"
                yield Mistake(path, key, repr(str(mirror)), allowed)
        if state and (mirror.is_relative_to(state) or state.is_relative_to(mirror)):
            yield Mistake(path, key, repr(str(mirror)), f"a folder apart from state_dir ({state})")


def _state_mistakes(
    state: Path, roots: Mapping[str, Path], path: Path, table: Sequence[mounts.Mount]
) -> Iterator[Mistake]:
    for key, root in roots.items():
        if state.is_relative_to(root):
            where = f"{_block(key)} ({root})"
            yield Mistake(path, "state_dir", repr(str(state)), f"a folder outside of {where}")
    mount = mounts.above(state, table)
    if mount.network:
        found = f"{str(state)!r} on {mount.fstype}"
        # https://sqlite.org/wal.html: "WAL does not work over a network filesystem".
        yield Mistake(path, "state_dir", found, "a folder on a local disk")


def preset_recipe(settings: Settings, name: str) -> Recipe:
    """The recipe of a named preset.

    Raises:
        ConfigMistakes: there is no such preset.
    """
    if name not in settings.presets:
        raise ConfigMistakes(
            [Mistake(None, "preset", repr(name), "one of " + ", ".join(sorted(settings.presets)))]
        )
    return settings.presets[name].recipe(name)
