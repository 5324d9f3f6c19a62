"""The budget planner, walked through every tier with cards that do not exist."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.engine.models.stocks import stock

from retouch_engine.budget import CPU, CUDA, Machine, Plan, plan, tier_of, usable_mb
from retouch_engine.stock import Stock


def card(gb: float, *, onnx_cuda: bool = True, diffusers: bool = True) -> Machine:
    return Machine(round(gb * 1000), "a card", onnx=True, onnx_cuda=onnx_cuda, diffusers=diffusers)


def told(made: Plan) -> list[tuple[str, str, str, bool]]:
    return [(u.model.id, u.device, u.precision, u.offload) for u in made.uses]


ALL = stock()
OPEN = Stock(tuple(m for m in ALL.models if m.commercial))


@pytest.mark.parametrize(
    ("gb", "tier", "expected"),
    [
        (0, "no card", [("lama", CPU, "fp32", False)]),
        (2, "2 GB", [("lama", CUDA, "fp32", False)]),
        (6, "2 GB", [("lama", CUDA, "fp32", False)]),
        (8, "8 GB", [("klein", CUDA, "bf16", True), ("lama-dynamic", CUDA, "fp32", False)]),
        (12, "8 GB", [("klein", CUDA, "fp8", False), ("lama-dynamic", CUDA, "fp32", False)]),
        (16, "8 GB", [("klein", CUDA, "bf16", False), ("lama-dynamic", CUDA, "fp32", False)]),
        (24, "24 GB", [("klein", CUDA, "bf16", False), ("lama-dynamic", CUDA, "fp32", False)]),
        (
            44,
            "40 GB and more",
            [
                ("klein", CUDA, "bf16", False),
                ("qwen-edit", CUDA, "fp8", False),
                ("lama-dynamic", CUDA, "fp32", False),
            ],
        ),
        (
            140,
            "40 GB and more",
            [
                ("klein", CUDA, "bf16", False),
                ("qwen-edit", CUDA, "bf16", False),
                ("lama-dynamic", CUDA, "fp32", False),
            ],
        ),
    ],
)
def test_every_tier_with_what_may_be_used_commercially(
    gb: float, tier: str, expected: list[tuple[str, str, str, bool]]
) -> None:
    made = plan(card(gb), OPEN)
    assert made.tier == tier
    assert told(made) == expected
    assert made.detector == "learned"
    assert plan(replace(card(gb), onnx=False), OPEN).detector == "classic"


@pytest.mark.parametrize(
    ("gb", "expected"),
    [
        (10, None),
        (16, ("bf16", True)),
        (21, ("q8_0", False)),
        (24, ("q8_0", False)),
        (32, ("bf16", False)),
        (140, ("bf16", False)),
    ],
)
def test_flux_fill_takes_the_best_form_that_fits(gb: float, expected: tuple[str, bool] | None) -> None:
    made = plan(card(gb), stock("flux-fill", "flux-turbo", "flux-fill-q8"))
    assert [(u.precision, u.offload) for u in made.uses] == ([expected] if expected else [])
    if expected == ("q8_0", False):
        assert [p.id for p in made.uses[0].parts] == ["flux-fill-q8", "flux-turbo"]
    if expected == ("bf16", False):
        assert [p.id for p in made.uses[0].parts] == ["flux-turbo"]


def test_nothing_installed_is_the_classical_engine_on_every_card() -> None:
    for gb in (0, 2, 8, 24, 40, 140):
        made = plan(card(gb), Stock())
        assert made.uses == ()
        assert any("classical" in line for line in made.why)


@pytest.mark.parametrize("gb", [0, 1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 80, 140])
def test_no_use_ever_needs_more_than_there_is(gb: float) -> None:
    for use in plan(card(gb), ALL).uses:
        assert use.device == CPU or use.peak_mb <= gb * 1000


def test_every_model_that_is_here_is_told_why_it_is_used_or_not() -> None:
    for gb in (0, 8, 24, 140):
        text = "\n".join(plan(card(gb), ALL).why)
        for model in ALL.models:
            if model.healer not in {"lora", "gguf", "controlnet", "second-faces", "second-people"}:
                assert f"{model.id}: " in text


def test_what_is_missing_is_said() -> None:
    assert "retouchd[gpu]" in " ".join(plan(card(140, diffusers=False), ALL).why)
    made = plan(card(140), stock("flux-controlnet"))
    assert made.uses == ()
    assert "flux-inpaint-beta" in " ".join(made.why)
    assert plan(Machine(), stock("lama")).uses == ()
    assert [u.device for u in plan(card(8, onnx_cuda=False), stock("lama")).uses] == [CPU]


def test_the_budget_limits_and_never_invents() -> None:
    assert usable_mb(24_000, -1) == 24_000
    assert usable_mb(24_000, 8) == 8_000
    assert usable_mb(4_000, 8) == 4_000
    assert usable_mb(24_000, 0) == 0
    assert [tier_of(mb) for mb in (0, 1_999, 8_000, 23_999, 40_000)] == [
        *("no card", "2 GB", "8 GB", "24 GB", "40 GB and more")
    ]


def test_the_key_holds_everything_that_changes_the_graph() -> None:
    everything = stock("flux-fill", "flux-turbo", "flux-fill-q8")
    keys = {
        plan(card(gb), chosen).uses[0].key
        for gb in (21, 140)
        for chosen in (
            everything,
            stock("flux-fill", "flux-fill-q8"),
            stock("flux-fill", "flux-fill-q8", compile_too=True),
        )
    }
    assert len(keys) == 6
