"""A model from the store to the record, through the commands and the real worker; what the status says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from benchmarks.files import write_photo
from click.testing import CliRunner
from tests.engine.models.networks import network_model

from retouch_engine import Stock
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouchd.app import _held
from retouchd.cli import cli
from retouchd.work.supervisor import WorkerPlan


@pytest.fixture
def skin(tmp_path: Path) -> Path:
    """A photo of even skin with one medium blemish, and ``mask.png`` beside it."""
    rng = np.random.default_rng(2)
    pores = 0.03 * blur(rng.normal(size=(360, 360)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.5, 0.9, 1.2], np.float32) + pores[..., None]).astype(np.float32)
    y, x = np.ogrid[:360, :360]
    spot = np.asarray(np.hypot(y - 180, x - 180) <= 34)
    od[..., 1:] += 0.35 * blur(spot.astype(np.float32), 2.0)[..., None]
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "mask.png").write_bytes(imagecodecs.png_encode(spot.astype(np.uint8) * 255))
    write_photo(folder / "skin.tif", np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16))
    return folder / "skin.tif"


def test_import_process_and_record(skin: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'cpu' is not installed")
    made = network_model("lama-dynamic", tmp_path / "made", sane=True)
    carried = tmp_path / "carried" / "big-lama-dynamic-fp32.onnx"
    carried.parent.mkdir()
    shutil.copyfile(made.folder / made.files[0], carried)
    settings = tmp_path / "config.toml"
    settings.write_text(
        f'state_dir = "{tmp_path / "state"}"\n[models]\npinned = ["lama-dynamic"]\nbudget_gb = 0\n', "utf-8"
    )
    run = CliRunner()
    taken = run.invoke(cli, ["models", "import", str(carried), "--config", str(settings)])
    assert taken.exit_code == 0, taken.output
    assert "digests recorded on first use" in taken.output
    told = run.invoke(cli, ["doctor", "--config", str(settings)])
    assert "lama-dynamic: fp32 on the processor" in told.output
    done = run.invoke(
        cli,
        ["process", str(skin), "--mask", str(skin.parent / "mask.png"), "--config", str(settings), "--json"],
    )
    assert done.exit_code == 0, done.output
    record = json.loads((skin.parent / "_retouchd" / "skin.json").read_text("utf-8"))
    digest = json.loads((tmp_path / "state/models/lama-dynamic/receipt.json").read_text())["files"]
    assert [m["id"] for m in record["models"]] == ["lama-dynamic"]
    assert record["engine"]["recipe"]["models"] == [f"lama-dynamic@{record['models'][0]['digest']}"]
    assert list(digest) == ["big-lama-dynamic-fp32.onnx"]
    assert [s["healer"] for s in record["spots"] if s["diameter_px"] > 50] == ["lama"]


def test_the_worker_hears_of_models_only_where_there_are_any() -> None:
    assert "--stock" not in WorkerPlan().command()
    plan = WorkerPlan(stock=Stock(pinned=("x",)))
    assert "--stock" not in plan.command()


def test_the_status_says_what_is_loaded_and_what_failed() -> None:
    figures = {
        "lama": {"resident": True, "resident_mb": 230, "loads": 1, "lends": 7, "out_of_memory": 0},
        "klein": {"resident": False, "resident_mb": 0, "loads": 2, "lends": 2, "out_of_memory": 1},
        "migan": {"resident": False, "resident_mb": 0, "loads": 1, "lends": 3, "out_of_memory": 0},
    }
    assert _held({}) == ""
    assert _held(figures) == (
        "models: lama 230.0 MB, loaded 1, lent 7; klein 0 B, loaded 2, lent 2, 1 times out of memory"
    )
