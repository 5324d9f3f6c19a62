"""The documented default: TOML text generated from the typed tree, so that it cannot go stale."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from retouchd.config.settings import Settings
from retouchd.config.watches import Watch

_WIDTH = 100
_HEADER = (
    "Settings of retouchd. Every setting is shown with its default; unknown keys are refused.",
    "Check a changed file with: retouchd check-config",
)


def example() -> Settings:
    """The settings that the documented default shows."""
    return Settings(watch=(Watch(path=Path("/srv/photos/export")),))


def documented(settings: Settings | None = None) -> str:
    """The settings as commented TOML."""
    lines = [f"# {line}" for line in _HEADER]
    lines += ["", *_table(settings or example(), "")]
    return "\n".join(lines) + "\n"


def _table(tree: BaseModel, name: str) -> Iterator[str]:
    """Plain values first, as TOML demands, then the tables."""
    later: list[tuple[str, Any]] = []
    for key, field in type(tree).model_fields.items():
        value = getattr(tree, key)
        if _is_table(value):
            later.append((f"{name}.{key}".lstrip("."), value))
        else:
            yield from _comment(_sentence(field))
            yield f"{key} = {_toml(value)}"
    for key, value in later:
        yield from _tables(key, value)


def _is_table(value: Any) -> bool:
    inner = next(iter(value), None) if isinstance(value, (tuple, dict)) else None
    return isinstance(value, (BaseModel, dict)) or isinstance(inner, BaseModel)


def _tables(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from ("", *_comment(_doc(value)), f"[{key}]", *_table(value, key))
    elif isinstance(value, dict):
        for number, (name, inner) in enumerate(value.items()):
            where = f"{key}.{name if _bare(name) else json.dumps(name)}"
            yield from _differences(where, inner) if number else _tables(where, inner)
    else:
        for inner in value:
            yield from ("", *_comment(_doc(inner)), f"[[{key}]]", *_table(inner, key))


def _differences(key: str, tree: BaseModel) -> Iterator[str]:
    """Only what is not as in the first table of its sort, whose sentences stand there."""
    yield from ("", f"[{key}]")
    for name, field in type(tree).model_fields.items():
        if getattr(tree, name) != field.default:
            yield f"{name} = {_toml(getattr(tree, name))}"


def _bare(name: str) -> bool:
    return name.isascii() and name.replace("-", "_").isidentifier()


def _doc(tree: BaseModel) -> str:
    return " ".join((type(tree).__doc__ or "").split())


def _sentence(field: FieldInfo) -> str:
    limits = [
        f"{word} {getattr(m, attr):g}" for m in field.metadata for attr, word in _BOUNDS if hasattr(m, attr)
    ]
    return f"{field.description or ''}{' Allowed: ' + ', '.join(limits) + '.' if limits else ''}"


_BOUNDS = (("gt", "over"), ("ge", "from"), ("lt", "under"), ("le", "up to"))


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH)]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)) and not isinstance(value, Enum):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    text = str(value.value if isinstance(value, Enum) else value)
    # A JSON string is a valid TOML basic string, but for DEL, which a checked path may not hold anyway.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
