"""Modules and functions stay small enough to be read in one sitting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for root in ("daemon", "engine") for p in (ROOT / root).rglob("*.py"))
FILE_LINES = 400
FUNCTION_LINES = 40


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring not counted."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    return (node.end_lineno or 0) - body[0].lineno + 1


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_measure() -> None:
    assert len(SOURCES) > 10


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES
    long = {f.name: _length(f) for f in _functions(path) if _length(f) > FUNCTION_LINES}
    assert not long


def test_the_measure_fires(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("def f():\n    '''Doc.'''\n" + "    x = 1\n" * 41, "utf-8")
    assert [_length(f) for f in _functions(path)] == [41]
