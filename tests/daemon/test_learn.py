"""What was learned, on disk: put in force whole, taken back, never taken for nothing when it is broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot

from retouch_engine import Correction, Corrections, Recipe, Wish
from retouchd import doctor
from retouchd.cli.learn import _pairs
from retouchd.config import Settings, overrides, tastes
from retouchd.config.tastes import BrokenCalibration
from retouchd.results import corrections
from retouchd.results.corrections import Memory


def learned(bias: float) -> dict[str, Any]:
    return {"calibration": {"slope": 1.1, "bias": bias}, "learned_from": {"pairs": 9}}


def test_what_was_learned_is_part_of_every_recipe_and_is_taken_back_step_by_step(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")

    def recipe() -> Recipe:
        return overrides.recipe_for(tmp_path / "IMG.tif", tmp_path, "studio", settings)

    plain = recipe()
    assert plain.calibration == ()
    for bias in (0.2, 0.4):
        tastes.write(settings.state_dir, learned(bias))
        assert dict(recipe().calibration) == {"slope": 1.1, "bias": bias}
    assert recipe().digest != plain.digest
    (tmp_path / "retouch.toml").write_text("sensitivity = 40\n")
    assert dict(recipe().calibration)["bias"] == 0.4
    (tmp_path / "retouch.toml").unlink()
    assert "before it" in tastes.undo(settings.state_dir)
    assert dict(recipe().calibration)["bias"] == 0.2
    assert "shipped" in tastes.undo(settings.state_dir)
    assert recipe() == plain
    assert tastes.undo(settings.state_dir) == ""
    assert list(settings.state_dir.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": "other"}',
        '{"schema": "retouchd.calibration/1"}',
        '{"schema": "retouchd.calibration/1", "calibration": {"slope": 99}}',
        "[" * 100_000,
    ],
)
def test_a_broken_calibration_is_a_reason_and_never_none(tmp_path: Path, text: str) -> None:
    tastes.path_of(tmp_path).write_text(text)
    with pytest.raises(BrokenCalibration, match="learn --undo") as caught:
        tastes.applied(Recipe(), tmp_path)
    assert caught.value.retryable
    assert tastes.undo(tmp_path)


def test_the_command_refuses_nonsense_and_too_little(hot: Hot) -> None:
    for words in ((), ("--undo", hot.folder, hot.folder), (hot.folder,), (hot.folder, hot.base / "nowhere")):
        assert hot.about("learn", *words).returncode == 2
    assert "nowhere' does not exist" in hot.about("learn", hot.folder, hot.base / "nowhere").stderr
    (hot.base / "after").mkdir()
    said = hot.about("learn", hot.folder, hot.base / "after")
    assert said.returncode == 1
    assert "at least 8 photos" in said.stderr
    nothing = hot.about("learn", "--undo")
    assert (nothing.returncode, "nothing that was learned" in nothing.stderr) == (1, True)
    tastes.write(hot.state, learned(0.3))
    assert "shipped odds count again" in hot.about("learn", "--undo").stdout


def test_pairs_are_found_by_place_and_name(tmp_path: Path) -> None:
    names = {
        "before": ["a.jpg", "b.tif", "c.png", "sub/a.jpg", "notes.txt", "_retouchd/a.tif", "d.jpg"],
        "after": ["a.tif", "b-Edit.tif", "b-Edit2.tif", "c_final.jpg", "sub/a-edit.jpg", "e.jpg"],
    }
    for folder, files in names.items():
        for name in files:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    found = [
        (str(one.relative_to(tmp_path / "before")), str(two.relative_to(tmp_path / "after")))
        for one, two in _pairs(tmp_path / "before", tmp_path / "after")
    ]
    # Of two edits of b nobody can say which is meant.
    assert found == [("a.jpg", "a.tif"), ("c.png", "c_final.jpg"), ("sub/a.jpg", "sub/a-edit.jpg")]


def test_corrections_below_a_folder_are_found_and_broken_ones_left_out(tmp_path: Path) -> None:
    for place in ("x", "x/y"):
        folder = tmp_path / place / "_retouchd/corrections"
        folder.mkdir(parents=True)
        told = {
            "schema": "retouchd.corrections/1",
            "source": {"sha256": place},
            "spots": [{"wish": "heal", "kind": "pimple"}, 7],
        }
        (folder / "IMG.tif.json").write_text(json.dumps(told))
        (folder / "broken.tif.json").write_text("{")
    assert list(corrections.decided_below(tmp_path)) == [
        (place, {"wish": "heal", "kind": "pimple"}) for place in ("x", "x/y")
    ]


def test_doctor_tells_when_the_odds_that_were_fitted_are_not_those_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(state_dir=tmp_path)
    tastes.write(tmp_path, learned(0.2))
    assert "learn again" not in doctor._taste(settings).found
    monkeypatch.setattr(doctor, "__version__", "9.0")
    assert doctor._taste(settings).found.endswith("its odds were not those of 9.0: learn again")


def test_what_was_decided_about_a_photo_that_was_renamed_teaches_once(tmp_path: Path) -> None:
    before, after = tmp_path / "IMG.tif", tmp_path / "Smith.tif"
    facts = ({"kind": "pimple", "by": "page", "at": "2026-01-02T03:04:05+00:00"},)
    decided = Corrections((Correction((1, 2, 3, 4), Wish.HEAL),))
    corrections.write(before, tmp_path, Memory("IMG.tif", "ab", decided, facts))
    corrections.read_anywhere(after, tmp_path, "ab", [(before, tmp_path)])
    assert corrections.path_of(after, tmp_path).exists()
    assert [(whose, spot["kind"]) for whose, spot in corrections.decided_below(tmp_path)] == [
        ("ab", "pimple")
    ]
