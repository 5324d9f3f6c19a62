"""Embeddings on disk: made once, checked when read, and never another model's or another prompt's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.neural.conftest import order

from retouch_engine.budget import Use
from retouch_engine.runtime import diffusion, load
from retouch_engine.runtime.prompts import Words, heard

torch = pytest.importorskip("torch", reason="torch and diffusers are not installed: make test-neural")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed: make test-neural")

Maker = Callable[..., Use]
WORDS = Words("skin", "ab" * 32, "FluxFillPipeline", "bf16")


class Encoder:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return {
            "prompt_embeds": torch.arange(12, dtype=torch.bfloat16).reshape(1, 3, 4),
            "pooled_prompt_embeds": torch.ones(1, 4, dtype=torch.bfloat16),
        }


def same(one: Any, two: Any) -> bool:
    return set(one) == set(two) and all(torch.equal(one[k], two[k]) for k in one)


def test_what_was_said_once_is_not_encoded_again(tmp_path: Path) -> None:
    encode = Encoder()
    first = heard(WORDS, tmp_path / "prompts", encode)
    second = heard(WORDS, tmp_path / "prompts", encode)
    assert encode.asked == 1
    assert same(first, second)
    assert [p.suffix for p in (tmp_path / "prompts").iterdir()] == [".safetensors"]


@pytest.mark.parametrize(
    "change",
    [{"prompt": "sky"}, {"model_digest": "cd" * 32}, {"pipeline": "Other"}, {"precision": "fp32"}],
)
def test_another_model_prompt_or_precision_is_encoded_anew(change: dict[str, str], tmp_path: Path) -> None:
    encode = Encoder()
    heard(WORDS, tmp_path, encode)
    other = replace(WORDS, **change)
    heard(other, tmp_path, encode)
    assert encode.asked == 2
    # Also where one file lies under the other's name.
    (tmp_path / WORDS.file_name).replace(tmp_path / other.file_name)
    heard(other, tmp_path, encode)
    assert encode.asked == 3


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def _fill(path: Path, **tensors: Any) -> None:
    from safetensors.torch import save_file

    from retouch_engine.runtime.prompts import _digest

    save_file(tensors, path, metadata={**WORDS.told, "digest": _digest(tensors)})


@pytest.mark.parametrize(
    "hurt",
    [
        _cut,
        _flip,
        lambda p: p.write_bytes(b""),
        lambda p: _fill(p, prompt_embeds=torch.full((1, 3, 4), float("nan"))),
        lambda p: _fill(p, prompt_embeds=torch.ones(3, 4)),
        lambda p: _fill(p, prompt_embeds=torch.ones(2, 3, 4)),
        lambda p: _fill(p, prompt_embeds=torch.ones(1, 3, 4), surprise=torch.ones(1, 4)),
        lambda p: _fill(p, pooled_prompt_embeds=torch.ones(1, 4)),
    ],
)
def test_a_file_that_is_odd_is_made_again(hurt: Callable[[Path], object], tmp_path: Path) -> None:
    encode = Encoder()
    right = heard(WORDS, tmp_path, encode)
    hurt(tmp_path / WORDS.file_name)
    assert same(heard(WORDS, tmp_path, encode), right)
    assert encode.asked == 2
    heard(WORDS, tmp_path, encode)
    assert encode.asked == 2


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    encode = Encoder()
    assert same(heard(WORDS, tmp_path / "file", encode), encode())


@pytest.mark.parametrize(("healer", "parts"), [("flux_fill", ("flux_lora",)), ("klein", ())])
def test_the_second_load_needs_no_encoder_not_even_on_disk(
    healer: str, parts: tuple[str, ...], use: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = use(healer, "bf16", *parts)
    folder = tmp_path / "model"
    shutil.copytree(planned.model.folder, folder, copy_function=os.link)
    planned = replace(planned, model=replace(planned.model, folder=folder))
    first = load(planned, tmp_path / "prompts").fill(order(2))
    for name in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"):
        shutil.rmtree(folder / name, ignore_errors=True)
    monkeypatch.setattr(diffusion, "_encoded", lambda *_: pytest.fail("encoded again"))
    assert np.array_equal(load(planned, tmp_path / "prompts").fill(order(2)), first)
