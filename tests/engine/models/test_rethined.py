"""The network that comes with the program: as it lies there, through the store, held to the promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.contract import test_healers as promises
from tests.engine.models.networks import a_pool, use_of
from tests.engine.models.test_neural import skin_wound

from retouch_engine.heal.registry import NEURAL
from retouch_engine.imaging.density import density
from retouch_engine.runtime import FillOrder, load
from retouch_engine.stock import Model
from retouchd.cli import cli
from retouchd.models import manifest

pytest.importorskip("onnxruntime", reason="the extra 'cpu' is not installed")


@pytest.fixture(scope="module")
def model() -> Model:
    known = manifest("rethined")
    assert known.own_copy
    return Model(
        known.id, known.healer, known.own_copy.parent, "ab" * 32, known.licence, known.commercial,
        known.precision, known.rest_mb, known.peak_mb, (known.own_copy.name,), contract=known.contract,
    )  # fmt: skip


@pytest.mark.parametrize("side", [128, 256, 352])
@pytest.mark.parametrize("light", [0.15, 0.4, 0.8])
def test_it_continues_skin_of_any_tone_and_leaves_the_rest(model: Model, side: int, light: float) -> None:
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 0.08, side)[None, :, None] * light
    skin = light * np.array([1, 0.8, 0.7]) + slope + rng.normal(0, 0.01, (side, side, 3))
    image: Any = np.clip(skin, 0, 1).astype(np.float32)
    y, x = np.ogrid[:side, :side]
    hole = np.asarray(np.hypot(y - side / 2, x - side / 2) < side / 5)
    spoilt = image.copy()
    spoilt[hole] = (0.9, 0.1, 0.1)
    made = load(use_of(model)).fill(FillOrder(spoilt, hole, 0, 1))
    assert np.abs(made[~hole] - image[~hole]).max() < 2e-3
    assert np.abs(made[hole].mean(axis=0) - image[hole].mean(axis=0)).max() < 0.04
    assert 0.5 < made[hole].std() / image[hole].std() < 2  # real patches, not a smooth fill


@pytest.mark.parametrize("promise", [f for n, f in vars(promises).items() if n.startswith("test_")])
def test_it_keeps_the_promises_of_every_healer(promise: object, model: Model) -> None:
    assert callable(promise)
    promise(NEURAL["rethined"](use_of(model), a_pool()))


def test_a_healer_with_it_offers_skin_that_fits(model: Model) -> None:
    wound = skin_wound()
    heal = next(NEURAL["rethined"](use_of(model), a_pool()).attempts(wound))
    whole = wound.low + heal.low_delta + heal.high
    inside = whole[(heal.support >= 1) & wound.hole[wound.inner.slices]]
    assert np.abs(inside.mean(axis=0) - wound.od[~wound.hole].mean(axis=0)).max() < 0.03


def test_pull_takes_it_from_the_program_without_a_network(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["models", *words, "--store", str(tmp_path / "models")])
        assert done.exit_code == 0, done.output
        return done.output

    assert "digests as pinned" in run("pull", "rethined", "--endpoint", "http://127.0.0.1:9")
    assert "rethined: well" in run("verify", "rethined")
    told = json.loads(run("show", "rethined", "--json"))
    assert (told["source"], told["licence"], told["commercial"]) == ("retouchd", "Apache-2.0", True)


def test_nothing_runs_it_unless_it_was_pulled(tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text(f'state_dir = "{tmp_path / "state"}"\n', "utf-8")
    assert "rethined" not in CliRunner().invoke(cli, ["doctor", "--config", str(settings)]).output


_MEASURED = """
import re
import numpy as np
from pathlib import Path
from typing import Any
from retouch_engine.budget import CPU, Use
from retouch_engine.runtime import FillOrder, load
from retouch_engine.stock import Model
from retouchd.models import manifest
k = manifest("rethined")
home, file = k.own_copy.parent, k.own_copy.name
m = Model(k.id, k.healer, home, "", k.licence, True, "fp32", 1, 2, (file,), contract=k.contract)
n = k.contract["most"]
y, x = np.ogrid[:n, :n]
hole = np.asarray(np.hypot(y - n / 2, x - n / 2) < n / 4)
load(Use(m, CPU, "fp32", False, 1, 2)).fill(FillOrder(np.full((n, n, 3), 0.5, np.float32), hole, 0, 1))
# Not ru_maxrss: the kernel carries that over from the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text("ascii"))[1])
"""


def test_half_a_gigabyte_is_enough_for_its_largest_crop() -> None:
    done = subprocess.run([sys.executable, "-c", _MEASURED], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 500_000_000  # the whole process, Python and its libraries included


def test_the_density_of_the_network_is_the_engines() -> None:
    """Both sides take the same power for the whole curve, so that what goes in comes out."""
    values = np.linspace(0, 65535, 99).astype(np.uint16)
    ours = density(values)
    assert np.allclose(ours, -2.4 * np.log((values / 65535 + 0.055) / 1.055), atol=1e-5)
