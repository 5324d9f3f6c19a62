"""The diffusion healers through the promises that every healer is held to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.contract import test_healers as promises

from retouch_engine.budget import Use
from retouch_engine.heal import Healer
from retouch_engine.heal.registry import NEURAL
from retouch_engine.pool import Hands, Pool
from retouch_engine.runtime import load

pytest.importorskip("diffusers", reason="torch and diffusers are not installed: make test-neural")

PARTS = {"flux_fill": ("flux_lora",), "flux_controlnet": ("flux_controlnet",), "klein": (), "qwen_edit": ()}
PROMISES = [function for name, function in vars(promises).items() if name.startswith("test_")]


@pytest.fixture(scope="module", autouse=True)
def small_pictures() -> Iterator[None]:
    """Qwen's pipeline scales every crop to a megapixel; that is tested beside this file, once."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as library

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "calculate_dimensions", lambda *_: (128, 128, None))
        yield


@pytest.fixture(params=sorted(PARTS), scope="module")
def healer(request: pytest.FixtureRequest, use: Callable[..., Use]) -> Healer:
    planned = use(request.param, "bf16", *PARTS[request.param])
    # Few and many as such are tested beside this file; here they would only cost time.
    contract = {
        **planned.model.contract,
        "steps": [1] if request.param == "qwen_edit" else [1, 2],
        "least": 96,
    }
    planned = replace(planned, model=replace(planned.model, contract=contract))
    pool = Pool(Hands(load, lambda _: None, time.monotonic), 0, 600.0)
    return NEURAL[request.param](planned, pool)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda p: p.__name__)
def test_it_keeps_the_promise(promise: Callable[[Healer], None], healer: Healer) -> None:
    promise(healer)
