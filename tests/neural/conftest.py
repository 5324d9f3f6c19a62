"""Tiny models of the real classes, made once: these tests need torch and diffusers, and no weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retouch_engine.budget import CPU, Use
from retouch_engine.runtime import FillOrder
from retouch_engine.stock import Model
from retouchd.models import manifest

os.environ.setdefault("OMP_NUM_THREADS", "1")

Maker = Callable[..., Use]
_IDS = {
    "flux_fill": "flux-fill",
    "klein": "klein",
    "flux_controlnet": "flux-controlnet",
    "qwen_edit": "qwen-edit",
}
_MAKERS = {"flux_controlnet": "flux_dev"}
_PARTS = {
    "flux_lora": "flux-turbo",
    "flux_gguf": "flux-fill-q8",
    "klein_lora": "klein-lora",
    "flux_controlnet": "flux-inpaint-beta",
}


def model_of(model_id: str, folder: Path, **contract: Any) -> Model:
    """A folder as that model, with its manifest."""
    known = manifest(model_id)
    files = tuple(sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()))
    assert any(known.fits(name) for name in files)
    return Model(
        model_id, known.healer, folder, "cd" * 32, known.licence, known.commercial, known.precision,
        known.rest_mb, known.peak_mb, files, known.needs, known.extras, {**known.contract, **contract},
    )  # fmt: skip


def order(steps: int, seed: int = 5, size: tuple[int, int] = (48, 64)) -> FillOrder:
    """A picture of noise with a hole."""
    hole = np.zeros(size, np.bool_)
    hole[16:32, 20:44] = True
    image = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    return FillOrder(image, hole, seed, steps)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a tiny model, by the name of its maker in :mod:`tests.neural.tiny`."""
    pytest.importorskip("diffusers", reason="torch and diffusers are not installed: make test-neural")
    from tests.neural import tiny

    root, there = tmp_path_factory.mktemp("tiny"), set()

    def make(name: str) -> Path:
        if name not in there:
            there.add(name)
            maker = getattr(tiny, name)
            if name == "flux_gguf":
                maker(make("flux_fill"), root / name)
            else:
                maker(root / name)
        return root / name

    return make


@pytest.fixture(scope="session")
def use(made: Callable[[str], Path]) -> Maker:
    """A planned use of a tiny model on the processor."""

    def plan(healer: str, precision: str = "bf16", *parts: str) -> Use:
        model = model_of(_IDS[healer], made(_MAKERS.get(healer, healer)))
        beside = tuple(model_of(_PARTS[p], made(p)) for p in parts)
        return Use(model, CPU, precision, False, 1, 2, beside)

    return plan
