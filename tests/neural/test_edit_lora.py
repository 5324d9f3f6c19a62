"""``retouchd edit-lora``, from the store through the real loading code to candidates on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from benchmarks.files import write_photo
from click.testing import CliRunner, Result

from retouch_engine import candidates
from retouch_engine.budget import CPU, Use
from retouch_engine.imaging.bands import blur
from retouch_engine.imaging.density import encode
from retouch_engine.runtime.edit import KleinEditor
from retouchd.cli import cli
from retouchd.watch import scanner

pytest.importorskip("diffusers", reason="torch and diffusers are not installed: make test-neural")

Maker = Callable[..., Use]
COMPOSITE = b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def with_edit_lora(use: Maker) -> Use:
    planned = use("klein", "bf16", "klein_lora")
    return replace(planned, device=CPU)


@pytest.fixture(scope="module")
def editor(use: Maker) -> KleinEditor:
    return KleinEditor.load(with_edit_lora(use), "smooth skin")


def picture() -> Any:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)


def test_it_edits_at_the_pictures_own_size_and_repeats_itself(editor: KleinEditor) -> None:
    one = editor.edit(picture(), 3, 2)
    assert one.shape == (64, 96, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() < one.max() <= 1
    assert np.array_equal(one, editor.edit(picture(), 3, 2))
    assert not np.array_equal(one, editor.edit(picture(), 4, 2))
    assert not np.array_equal(one, editor.edit(picture()[::-1].copy(), 3, 2))  # it looks at the picture


def test_the_lora_and_the_words_count(editor: KleinEditor, use: Maker) -> None:
    planned = with_edit_lora(use)
    one = editor.edit(picture(), 3, 2)
    plain = KleinEditor.load(replace(planned, parts=()), "smooth skin")
    assert not np.array_equal(one, plain.edit(picture(), 3, 2))
    others = KleinEditor.load(planned, "light")
    assert not np.array_equal(one, others.edit(picture(), 3, 2))


@pytest.fixture
def studio(made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose store holds the tiny klein and an edit LoRA, and a photo of skin.

    Random weights change everything alike, of which nothing is believed; here the half of it is.
    """
    monkeypatch.setattr(candidates, "_OUTSTANDING", 0.5)
    config = tmp_path / "config.toml"
    photos = tmp_path / "photos"
    photos.mkdir()
    config.write_text(f'state_dir = "{tmp_path / "state"}"\n[[watch]]\npath = "{photos}"\n', "utf-8")
    shutil.copytree(made("klein"), tmp_path / "klein")
    (tmp_path / "lora.safetensors").write_bytes((made("klein_lora") / "mine.safetensors").read_bytes())
    for words in ((tmp_path / "klein",), (tmp_path / "lora.safetensors", "--as", "klein-edit-lora")):
        done = CliRunner().invoke(cli, ["models", "import", *map(str, words), "--config", str(config)])
        assert done.exit_code == 0, done.output
    rng = np.random.default_rng(5)
    pores = 0.03 * blur(rng.normal(size=(200, 300)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.5, 0.9, 1.2], np.float32) + pores[..., None]).astype(np.float32)
    write_photo(photos / "a.tif", np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16))
    return tmp_path


def run(studio: Path, *words: str) -> Result:
    return CliRunner().invoke(
        cli, ["edit-lora", str(studio / "photos/a.tif"), *words, "--config", str(studio / "config.toml")]
    )


def test_candidates_lie_in_a_folder_and_nothing_is_published(studio: Path) -> None:
    before = (studio / "photos/a.tif").read_bytes()
    done = run(studio, "--processor", "--count", "2", "--steps", "2", "--seed", "7")
    assert done.exit_code == 0, done.output
    folder = studio / "photos/_retouchd/candidates"
    tiffs = sorted(folder.glob("*.tif"))
    assert [p.name for p in tiffs] == ["a-candidate-1.tif", "a-candidate-2.tif"]
    assert sorted(p.name for p in (studio / "photos").iterdir()) == ["_retouchd", "a.tif"]
    assert (studio / "photos/a.tif").read_bytes() == before
    # No service takes one up: not by its place, and not by its own mark either.
    assert [bytes(f).endswith(b"photos/a.tif") for f in scanner.scan(bytes(studio / "photos")).files] == [
        True
    ]
    shutil.copyfile(tiffs[0], studio / "photos/b.tif")
    taken = CliRunner().invoke(
        cli, ["process", str(studio / "photos/b.tif"), "--config", str(studio / "config.toml")]
    )
    assert taken.exit_code == 1
    assert "own output" in taken.output
    source, one, two = (tifffile.imread(p) for p in (studio / "photos/a.tif", *tiffs))
    assert one.dtype == np.uint16
    assert not np.array_equal(one, two)
    assert 0 < (one != source).any(axis=-1).mean() < 1


def test_record_and_metadata_say_what_made_it_and_names_that_are_taken_stay(studio: Path) -> None:
    words = ("--processor", "--count", "1", "--steps", "2", "--prompt", "clean skin", "--out")
    run(studio, *words, str(studio / "out"))
    folder = studio / "out"
    told = json.loads((folder / "a-candidate-1.json").read_text())
    assert told["schema"] == "retouchd.candidate/1"
    assert (told["prompt"], told["seed"], told["steps"]) == ("clean skin", 0, 2)
    model = told["model"]
    assert (model["id"], model["licence"], model["commercial"], model["device"]) == (
        *("klein", "Apache-2.0", True, "cpu"),
    )
    assert [(p["id"], p["licence"], len(p["digest"])) for p in model["parts"]] == [
        ("klein-edit-lora", "LicenseRef-Own", 64)
    ]
    assert told["outside_unchanged"] is True
    first = (folder / "a-candidate-1.tif").read_bytes()
    assert COMPOSITE in first
    run(studio, *words, str(folder))
    assert (folder / "a-candidate-1.tif").read_bytes() == first
    assert sorted(p.name for p in folder.iterdir()) == [
        f"a-candidate-{n}.{end}" for n in (1, 2) for end in ("json", "tif")
    ]
    assert len(list((studio / "state/prompts").iterdir())) == 1


def test_what_is_missing_is_said(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = run(studio)
    assert done.exit_code != 0
    assert "needs a card" in str(done.exception)
    shutil.rmtree(studio / "state/models/klein-edit-lora")
    assert "--as klein-edit-lora" in str(run(studio, "--processor").exception)
    shutil.rmtree(studio / "state/models/klein")
    assert "retouchd models pull klein" in str(run(studio, "--processor").exception)
