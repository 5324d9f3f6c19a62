"""What a look leaves out: patterns of the settings, the command that shows it, results asked for again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.daemon.conftest import Hot, wait_for
from tests.daemon.fake_engine import MARK
from tests.daemon.test_journal import Clock, Desk, journal

from retouchd import config, ignores
from retouchd.config.settings import Settings
from retouchd.errors import ConfigMistakes
from retouchd.jobs import JobId, State
from retouchd.state.journal import Journal
from retouchd.watch import scanner
from retouchd.watch.scanner import Bounds

__all__ = ["journal"]

PATTERNS = ("selects", "*_proof.jpg", "2024/raw/**", "client/?.tif", "**/deep/x.tif")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("inner", "taken"),
    [
        ("a.tif", True),
        ("selects.tif", True),
        ("selects/a.tif", False),
        ("day 1/Selects/b.tif", False),
        ("day 1/IMG_PROOF.jpg", False),
        ("2024/raw/a.tif", False),
        ("2024/raw/x/a.tif", False),
        ("2023/2024/raw/a.tif", True),
        ("2024/a.tif", True),
        ("client/1.tif", False),
        ("client/12.tif", True),
        ("x/client/1.tif", True),
        ("deep/x.tif", False),
        ("a/b/deep/x.tif", False),
        ("_retouchd/a.tif", False),
    ],
)
def test_patterns_leave_out_names_and_subfolders(tmp_path: Path, inner: str, taken: bool) -> None:
    (tmp_path / inner).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / inner).write_bytes(b"x")
    root, bounds = os.fsencode(tmp_path), Bounds(ignore=PATTERNS)

    assert list(scanner.scan(root, bounds).files) == [os.fsencode(tmp_path / inner)] * taken
    assert (scanner.why_left_out(inner.encode().split(b"/"), bounds) is None) == taken
    assert bool(list(scanner.left_out(root, bounds))) != taken


NAMES = st.sampled_from(["a.tif", "b.jpg", "c.txt", ".x.tif", "a-retouched.tif", "selects", "raw", "d"])


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=6), st.integers(1, 3), st.booleans())
def test_a_look_and_its_explanation_agree(
    tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]], depth: int, recursive: bool
) -> None:
    top = tmp_path_factory.mktemp("look")
    for parts in paths:
        place = top.joinpath(*parts[:-1])
        if not place.exists() and not any(p.is_file() for p in place.parents):
            place.mkdir(parents=True)
        if place.is_dir() and not (place / parts[-1]).exists():
            (place / parts[-1]).write_bytes(b"x")
    bounds = Bounds(recursive, depth, ("selects", "raw"))
    found = scanner.scan(os.fsencode(top), bounds).files
    out = {Path(os.fsdecode(path)) for path, _ in scanner.left_out(os.fsencode(top), bounds)}
    for path in (p for p in top.rglob("*") if p.is_file()):
        told = scanner.why_left_out([os.fsencode(x) for x in path.relative_to(top).parts], bounds)
        assert (os.fsencode(path) in found) == (told is None)
        assert (os.fsencode(path) in found) != bool(out & {path, *path.parents})


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_pattern_may_hold_anything(text: str, path: str) -> None:
    rules = ignores.Rules([text])
    assert rules.path_ignored(path.encode("utf-8", "ignore")) != ""


@pytest.mark.parametrize("pattern", ["", "*", "**", "/abs", "../up", "a/../b", "./a"])
def test_a_pattern_that_means_nothing_or_everything_is_a_mistake(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[[watch]]\npath = "{tmp_path / "hot"}"\nignore = ["{pattern}"]\n')
    with pytest.raises(ConfigMistakes, match="ignore"):
        config.load(path)


def test_the_command_shows_each_reason_with_its_files(hot: Hot) -> None:
    hot.config.write_text(
        hot.config.read_text().replace("[scan]", 'ignore = ["selects", "*_proof.tif"]\nmax_depth = 1\n[scan]')
    )
    for name in ("a.tif", "n.txt", "a-retouched.tif", "selects/b.tif", "x_proof.tif", "d/e/f.tif", ".h.tif"):
        hot.drop(name)
    for i in range(5):
        hot.drop(f"._{i}.tif")
    (hot.folder / "link.tif").symlink_to("a.tif")
    lines = [json.loads(line) for line in hot.about("ignores", "--json").stdout.splitlines()]
    told = {str(Path(x["path"]).relative_to(hot.folder)): x["why"] for x in lines}

    assert set(told) == {
        *("n.txt", "a-retouched.tif", "selects", "x_proof.tif", "d/e", ".h.tif", "link.tif"),
        *(f"._{i}.tif" for i in range(5)),
    }
    assert told["a-retouched.tif"] == "own output"
    assert told["selects"] == "a pattern of its settings: selects"
    assert told["d/e"] == "deeper than max_depth"
    assert told["link.tif"] == "a symlink"
    plain = hot.about("ignores").stdout
    assert "5 x an AppleDouble shadow of another file" in plain
    assert "and 2 more; --all shows them" in plain
    assert f"{hot.folder}/selects/" in plain
    assert hot.about("ignores", hot.folder / "d").stdout.count("\n") == 2
    assert "below " + str(hot.folder) + ": selects" in hot.about("ignores", "--rules").stdout
    assert hot.about("ignores", hot.base / "else").returncode == 1


def test_a_photo_that_a_new_pattern_leaves_out_says_so_and_returns_with_it(
    tmp_path: Path, journal: Journal, clock: Clock
) -> None:
    desk = Desk(tmp_path, journal, clock)
    (desk.hot / "raw").mkdir()
    (desk.hot / "raw/a.tif").write_bytes(b"x")
    desk.look()

    def watch(*patterns: str) -> None:
        tree = {"watch": [{"path": str(desk.hot), "ignore": patterns}]}
        desk.intake.reconfigure(Settings.model_validate(tree))
        desk.look()

    watch("raw")
    assert desk.state("raw/a.tif") == (State.SKIPPED, "inside a pattern of its settings: raw")
    watch()
    assert desk.state("raw/a.tif")[0] == State.SETTLING


def test_what_was_published_is_forgotten_with_its_photo(
    tmp_path: Path, journal: Journal, clock: Clock
) -> None:
    desk = Desk(tmp_path, journal, clock)
    (desk.hot / "a.tif").write_bytes(b"x")
    desk.look()
    (row,) = journal.listed()
    ours, gone = desk.hot / "a-retouched.tif", desk.hot / "b-retouched.tif"
    journal.note_published(row.id, [(ours, "00")])
    journal.note_published(JobId(row.id + 7), [(gone, "00")])
    desk.look(after=399 * 86_400)
    assert journal.is_published(os.fsencode(gone))
    desk.look(after=2 * 86_400)
    assert not journal.is_published(os.fsencode(gone))
    assert journal.is_published(os.fsencode(ours))


def test_a_result_that_an_editor_saved_anew_is_skipped_until_a_person_asks(hot: Hot) -> None:
    edited = hot.drop("final.tif", MARK + b" and an editor")
    process = hot.start()
    wait_for(lambda: hot.rows("skipped"))
    why = hot.about("why", edited).stdout
    assert why.startswith("skipped: own output: final.tif is a result of retouchd")
    assert "requeue --force" in why
    hot.about("requeue", edited)
    wait_for(lambda: [r for r in hot.rows("skipped") if r["code"] == "own-output"])
    assert not (hot.folder / "final-retouched.tif").exists()

    assert hot.about("requeue", "--force", edited).returncode == 0
    wait_for((hot.folder / "final-retouched.tif").exists)
    wait_for(lambda: hot.rows("done"))
    edited.write_bytes(MARK + b" saved once more")  # consent was for what was there
    wait_for(lambda: [r for r in hot.rows("skipped") if r["code"] == "own-output"])
    assert hot.about("requeue", "--force", hot.folder).returncode == 2
    process.terminate()
    assert process.wait(60) == 0


def test_process_heals_a_result_once_more_only_when_forced(hot: Hot) -> None:
    edited = hot.drop("final.tif", MARK + b" and an editor")
    assert hot.process(edited).returncode == 1
    assert hot.process(edited, "--force").returncode == 0
    assert (hot.folder / "final-retouched.tif").exists()
