"""A recipe's digest names everything that decides the pixels."""

from __future__ import annotations

import json

import pytest

from retouch_engine import learned, recipe
from retouch_engine.errors import RecipeMistake
from retouch_engine.recipe import Kind, Recipe


def test_the_digest_changes_with_every_setting_that_decides_pixels() -> None:
    digests = {Recipe().digest, Recipe(strength=50).digest, Recipe(seed=1).digest, Recipe(remove=()).digest}
    assert len(digests) == 4


def test_a_recipe_comes_back_from_json_the_same_and_knows_no_other_names() -> None:
    told = Recipe(calibration=(("slope", 2), ("bias", 0.5)), models=("lama@1",), review=(Kind.UNKNOWN,))
    assert told.calibration == (("bias", 0.5), ("slope", 2.0))
    again = Recipe.from_json(json.loads(json.dumps(told.as_json())))
    assert again == told
    assert again.digest == told.digest
    with pytest.raises(RecipeMistake, match="smooth"):
        Recipe.from_json({**told.as_json(), "smooth": 1})


def test_the_digest_names_the_learned_files(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Recipe().digest
    monkeypatch.setattr(recipe, "learned_files", lambda: (("parts.onnx", "another"),))
    assert Recipe().digest != before


def test_networks_count_only_where_they_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, _ in learned.learned_files()]
    assert "parts.onnx" in names
    assert "verifier.json" in names
    monkeypatch.setattr(learned, "networks_run", lambda: False)
    assert [name for name, _ in learned.learned_files.__wrapped__()] == [
        name for name in names if not name.endswith(".onnx")
    ]
