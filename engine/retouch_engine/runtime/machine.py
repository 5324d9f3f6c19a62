"""Looking at the machine: is there a card, how much of it is free, what can run on it.

The card is asked through its own tool, so that looking does not already take memory from it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec

from retouch_engine.budget import CUDA, Machine, usable_mb
from retouch_engine.learned import networks_run, onnxruntime

_QUERY = ("--query-gpu=memory.free,name", "--format=csv,noheader,nounits")
_MIB = 1.048576


def look(budget_gb: float = -1.0) -> Machine:
    """What was found; ``card_mb`` is what the budget leaves of what is free now."""
    free, name = _card() if budget_gb != 0 else (0, "")
    onnx = networks_run()
    return Machine(
        card_mb=usable_mb(free, budget_gb),
        card=name,
        onnx=onnx,
        onnx_cuda=onnx and free > 0 and _onnx_cuda(),
        diffusers=find_spec("torch") is not None and find_spec("diffusers") is not None,
    )


def free_mb(device: str) -> int | None:
    """What a device has left now, 10^6 bytes; None where nobody can say."""
    return (_card()[0] or None) if device == CUDA else None


def _card() -> tuple[int, str]:
    """Free memory and name of the first card that this process may use; 0 without one."""
    tool = shutil.which("nvidia-smi")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if tool is None or visible in {"", "-1"}:
        return 0, ""
    which = ["--id=" + visible.split(",")[0].strip()] if visible else []
    try:
        answer = subprocess.run(
            [tool, *which, *_QUERY], capture_output=True, text=True, timeout=20, check=True
        )
        free, _, name = answer.stdout.splitlines()[0].partition(",")
        return int(float(free) * _MIB), name.strip()
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0, ""


def _onnx_cuda() -> bool:
    return "CUDAExecutionProvider" in onnxruntime().get_available_providers()
