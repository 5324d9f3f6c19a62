"""What no linter checks: every module states its rule, and no file names a machine or an index."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("daemon", "engine", "tests", "benchmarks")
MODULES = sorted(p for f in FOLDERS for p in (ROOT / f).rglob("*.py"))
PLACES = re.compile(r"/(?:home|Users|workspace|work)/[a-z]+/" + r"|/root/[.a-z]|/opt/[a-z]")
LOCKED = r"[a-z0-9.-]+==\S+( ; .+)? \\$|    --hash=sha256:[0-9a-f]{64}( \\)?$|\s+# "
INDEXES = re.compile(r"py" + r"pi\.|pythonhosted|index" + r"-url|find" + r"-links", re.IGNORECASE)


def _tracked() -> list[Path]:
    """Text files under version control; without git, those of the source folders."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False, text=True
    )
    names = listed.stdout.split("\0") if listed.returncode == 0 else []
    paths = [ROOT / n for n in names if n] or MODULES
    return [p for p in paths if p.is_file() and b"\0" not in p.read_bytes()]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_begins_with_its_rule(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    sources = [p for p in _tracked() if p.suffix in {".py", ".toml", ".txt"}]
    assert not [p.name for p in sources if PLACES.search(p.read_text("utf-8"))]


def test_no_file_names_a_package_index() -> None:
    allowed = {"Makefile", Path(__file__).name}  # the lock's flags that keep addresses out of it
    found = [p.name for p in _tracked() if p.name not in allowed and INDEXES.search(p.read_text("utf-8"))]
    assert not found


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    for path in (ROOT / ".lock").glob("*.txt"):
        for line in path.read_text("ascii").splitlines():
            assert re.match(LOCKED, line), line


def _asks_pathlib(node: ast.AST) -> TypeGuard[ast.Call]:
    """An entry of a scanned folder knows by itself and raises what goes wrong."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"exists", "is_file", "is_dir", "is_symlink"}
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "entry")
    )


def test_where_results_are_at_stake_a_disk_that_does_not_say_is_no_absence() -> None:
    """See retouchd.presence."""
    daemon = ROOT / "daemon/retouchd"
    rooms = [p for r in ("results", "watch", "web", "work", "config") for p in (daemon / r).rglob("*.py")]
    asking = [
        f"{path.name}:{node.lineno}"
        for path in (*rooms, daemon / "batch.py", daemon / "edit.py", daemon / "ours.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if _asks_pathlib(node)
    ]
    assert not asking, f"ask retouchd.presence instead: {asking}"
