"""From a planned use to a loaded model: which runtime loads which healer's files."""

from __future__ import annotations

from pathlib import Path

from retouch_engine.budget import Use
from retouch_engine.errors import ModelUnusable
from retouch_engine.runtime.base import Filler

ONNX_HEALERS = frozenset({"lama", "migan", "rethined"})


def load(use: Use, prompts: Path | None = None) -> Filler:
    """Load a model from its folder.

    Args:
        use: which, and how.
        prompts: where the embeddings of prompts are kept; None for nowhere.

    Raises:
        ModelUnusable: it does not load.
    """
    if use.model.healer in ONNX_HEALERS:
        from retouch_engine.runtime.onnx import OnnxFiller

        return OnnxFiller.load(use)
    if use.model.healer == "qwen_edit":
        from retouch_engine.runtime.qwen import QwenFiller

        return QwenFiller.load(use)
    from retouch_engine.runtime.diffusion import DiffusionFiller, known

    if use.model.healer in known():
        return DiffusionFiller.load(use, prompts)
    raise ModelUnusable(use.model.id, f"nothing here runs {use.model.healer!r}")
