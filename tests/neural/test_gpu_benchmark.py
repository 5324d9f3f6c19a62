"""The benchmark for cards: rehearsed with tiny networks, and honest where there is no card."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("diffusers", reason="torch and diffusers are not installed: make test-neural")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", *words], capture_output=True, text=True, check=False
    )


def test_it_says_that_there_is_no_card() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    done = run("--write")
    assert (done.returncode, done.stdout) == (75, "")
    assert "no graphics card" in done.stderr


def test_the_whole_of_it_runs_with_tiny_networks() -> None:
    done = run("--rehearse")
    assert done.returncode == 0, done.stderr
    assert "REHEARSAL" in done.stdout
    for name in ("flux_fill", "klein", "lama", "dinov3"):
        assert f"| {name}" in done.stdout
    assert "2 healed by it" in done.stdout
    assert "1 load;" in done.stdout


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("flux_transformer", 11_902),
        ("klein_transformer", 3_876),
        ("flux_vae", 84),
        ("lama", 51),
        ("dino", 303),
    ],
)
def test_the_networks_are_as_large_as_the_real_ones(name: str, millions: int) -> None:
    """On torch's device without memory: published sizes, within a few percent."""
    import torch
    from benchmarks import gpu_nets

    with torch.device("meta"):
        net = getattr(gpu_nets, name)(rehearse=False)
    counted = sum(p.numel() for p in net.parameters()) / 1e6
    assert counted == pytest.approx(millions, rel=0.06)
