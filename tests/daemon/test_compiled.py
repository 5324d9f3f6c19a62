"""Where the engine's compiled loops are kept: a service may write to its state folder alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retouchd.supervisor import WorkerPlan


def test_a_worker_keeps_what_it_compiles_where_the_service_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert WorkerPlan(compiled=tmp_path).environment()["NUMBA_CACHE_DIR"] == str(tmp_path)
    assert "NUMBA_CACHE_DIR" not in WorkerPlan().environment()


def test_who_set_the_folder_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    assert WorkerPlan(compiled=tmp_path).environment()["NUMBA_CACHE_DIR"] == "/elsewhere"


LOOP = """
import numpy as np
from retouch_engine.kernels.compiled import VALUES, kernel

@kernel(VALUES)
def total(values):
    found = 0.0
    for value in values:
        found += value
    return found

print(total(np.ones(3, np.float32)))
"""


def run(*arguments: str, folder: Path) -> str:
    told = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, *arguments], env=told, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_compiled_loop_is_kept_for_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP, "utf-8")
    assert run(str(tmp_path / "loop.py"), folder=tmp_path / "compiled") == "3.0"
    assert list((tmp_path / "compiled").rglob("*.nbi"))


def test_a_loop_that_cannot_be_kept_is_compiled_all_the_same(tmp_path: Path) -> None:
    """Numba knows no place for what comes from no file, as for a program that nobody may write beside."""
    assert run("-c", LOOP, folder=tmp_path / "compiled") == "3.0"
    assert not list(tmp_path.rglob("*.nbi"))
