"""Libraries that would talk to their makers are told to be silent before they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retouch_engine import detect, learned

RUN = """
import sys
from pathlib import Path
import numpy as np
from retouch_engine.learned import session
network = session(Path(sys.argv[1]))
network.run(None, {"rgb": np.zeros((1, 3, 64, 64), np.float32)})
"""


def test_onnxruntime_neither_numbers_this_machine_nor_keeps_what_it_would_send(tmp_path: Path) -> None:
    if not learned.networks_run():
        pytest.skip("onnxruntime is not installed, so nothing of it is loaded")
    judge = Path(detect.__file__).with_name("judge.onnx")
    # Bare: it is silent by itself where CI= says that nobody uses it.
    bare = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", RUN, str(judge)], env=bare, check=True, timeout=120)
    assert [p.name for p in tmp_path.rglob("*")] == []


def test_who_asks_for_its_telemetry_does_not_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    if not learned.networks_run():
        pytest.skip("onnxruntime is not installed, so nothing of it is loaded")
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    learned.onnxruntime.__wrapped__()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
