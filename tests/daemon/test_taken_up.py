"""A correction is a word about one spot: settings, calibration and version of today have none on the rest."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.daemon.conftest import FAKE, Hot, environment, wait_for
from tests.daemon.fake_engine import MARK
from tests.daemon.test_corrections import WISH, decide, record_of

from retouch_engine import Corrections
from retouchd import config
from retouchd.cli.review import Redo
from retouchd.results import corrections, record
from retouchd.results.corrections import LastRun, Memory
from retouchd.web.review import Album, Place

MORE = "\n[presets.studio]\nsensitivity = 90\n"
UP = {"taken_up": True, "other_settings": True}


def work(folder: Path, name: str = "IMG.json") -> str:
    """What names the recipe, and what a person decided, of a result."""
    return str(record.recipe_digest(record_of(folder, name)))


def test_the_service_corrects_by_what_the_photo_was_begun_with(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    process = hot.start()
    wait_for(lambda: hot.rows("done"), "done")
    begun = work(hot.folder)
    hot.configure(more=MORE)
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: '"reloaded"' in hot.log())
    memory = decide(hot.folder, photo, WISH)
    wait_for(lambda: record_of(hot.folder)["last_run"] == UP, hot.log())
    wait_for(lambda: hot.rows("done"), "done")
    assert work(hot.folder) == memory.decided.key(begun)
    why = hot.about("why", photo).stdout
    assert "only what a person changed: the settings of then hold; retouchd requeue does it anew" in why

    # Whoever asks for it has all of it done by what holds now; the correction still counts.
    assert hot.about("retry", photo).returncode == 0
    wait_for(lambda: record_of(hot.folder)["last_run"] == {}, hot.log())
    wait_for(lambda: hot.rows("done"), "done")
    assert work(hot.folder) not in {begun, memory.decided.key(begun)}
    assert record_of(hot.folder)["corrections"]["spots"][0]["wish"] == "keep"
    now = work(hot.folder)

    # What was asked for once is not asked for again by the next correction.
    hot.configure()
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: hot.log().count('"reloaded"') == 2)
    decide(hot.folder, photo, WISH, WISH)
    wait_for(lambda: record_of(hot.folder)["last_run"] == UP, hot.log())
    assert work(hot.folder) not in {now, memory.decided.key(begun)}


def test_a_corrected_photo_is_no_copy_of_its_twin(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    assert hot.process(photo).returncode == 0
    begun = work(hot.folder)
    hot.configure(more=MORE)
    hot.start()
    wait_for(lambda: len(hot.rows("done")) == 1, hot.log())
    twin = hot.drop("twin.tif")
    wait_for(lambda: len(hot.rows("done")) == 2, hot.log())
    memory = decide(hot.folder, twin, WISH)
    wait_for(lambda: record_of(hot.folder, "twin.json")["corrections"]["spots"], hot.log())
    wait_for(lambda: len(hot.rows("done")) == 2, hot.log())
    decide(hot.folder, photo, WISH)
    wait_for(lambda: record_of(hot.folder)["corrections"]["spots"], hot.log())
    assert work(hot.folder) == memory.decided.key(begun) != work(hot.folder, "twin.json")


def test_process_corrects_first_and_does_anew_what_it_is_told_to(hot: Hot) -> None:
    photo, with_more = hot.drop("IMG.tif"), ("--config", hot.config)
    assert hot.process(photo).returncode == 0
    begun = work(hot.folder)
    hot.configure(more=MORE)
    memory = decide(hot.folder, photo, WISH)
    said = hot.process(photo, *with_more).stdout
    assert "only what a person changed" in said
    assert work(hot.folder) == memory.decided.key(begun)
    # Nothing is left to correct: by what holds now, then.
    said = hot.process(photo, *with_more).stdout
    assert "only what a person changed" not in said
    assert "was done already" not in said
    assert work(hot.folder) != memory.decided.key(begun)


@pytest.mark.parametrize(("named", "taken_up"), [("studio", True), ("school", False), (None, True)])
def test_a_preset_that_is_named_counts_where_it_is_another(
    hot: Hot, named: str | None, *, taken_up: bool
) -> None:
    photo = hot.drop("IMG.tif")
    assert hot.process(photo).returncode == 0
    decide(hot.folder, photo, WISH)
    hot.configure(more=MORE)
    preset = ("--preset", named) if named else ()
    assert hot.process(photo, "--config", hot.config, *preset).returncode == 0
    assert bool(record_of(hot.folder)["last_run"]) is taken_up


def lose_layer(heal: Path) -> str:
    heal.unlink()
    return "IMG-heal.tif is not there"


def paint_layer(heal: Path) -> str:
    heal.write_bytes(heal.read_bytes() + b" painted by hand")
    return "IMG-heal.tif was changed since"


def lose_record(heal: Path) -> str:
    heal.with_name("IMG.json").unlink()
    return "there is no record of an earlier result"


@pytest.mark.parametrize("spoil", [lose_layer, paint_layer, lose_record])
def test_what_cannot_be_taken_up_is_done_from_the_beginning_and_says_why(
    hot: Hot, spoil: Callable[[Path], str]
) -> None:
    photo = hot.drop("IMG.tif")
    assert hot.process(photo).returncode == 0
    decide(hot.folder, photo, WISH)
    why = spoil(hot.folder / "_retouchd/IMG-heal.tif")
    assert f"; done from the beginning: {why}" in hot.process(photo).stdout
    told = [json.loads(path.read_bytes())["last_run"] for path in hot.folder.glob("_retouchd/*.json")]
    assert {"taken_up": False, "why": why} in told


def test_the_service_says_why_as_well(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    hot.start()
    wait_for(lambda: hot.rows("done"), "done")
    why = paint_layer(hot.folder / "_retouchd/IMG-heal.tif")
    decide(hot.folder, photo, WISH)
    wait_for(lambda: f"; done from the beginning: {why}" in hot.about("why", photo).stdout, hot.log())


def test_what_is_done_again_for_the_review_page_is_only_corrected(
    hot: Hot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apply twice: the second time nothing was left to correct, and all of it was done by new settings."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    photo = hot.drop("IMG.tif")
    assert hot.process(photo).returncode == 0
    memory, begun = decide(hot.folder, photo, WISH), work(hot.folder)
    hot.configure(more=MORE)
    settings = config.load(hot.config)
    redo = Redo(settings, "studio", FAKE)
    for shown in [shoot.photos[0] for shoot in Album([Place(hot.folder, hot.folder)]).shoots()] * 2:
        assert redo.redone(shown) == ""
        assert work(hot.folder) == memory.decided.key(begun)


def test_a_result_that_is_healed_by_request_stays_so_when_it_is_corrected(hot: Hot) -> None:
    """The consent went with the first correction, and the photo was skipped as our own output."""
    edited = hot.drop("IMG.tif", MARK + b" and an editor")
    hot.start()
    wait_for(lambda: hot.rows("skipped"))
    assert hot.about("requeue", "--force", edited).returncode == 0
    wait_for(lambda: hot.rows("done"), hot.log())
    decide(hot.folder, edited, WISH)
    wait_for(lambda: record_of(hot.folder)["corrections"]["spots"] or hot.rows("skipped"), hot.log())
    assert not hot.rows("skipped")
    assert record_of(hot.folder)["last_run"]["taken_up"] is True


def test_the_last_run_is_that_of_the_latest_result_of_these_bytes(hot: Hot) -> None:
    """An older set beside it may have been decided about otherwise."""
    photo, own = hot.drop("IMG.tif"), hot.folder / "_retouchd"
    assert hot.process(photo).returncode == 0
    (hot.folder / "IMG-retouched.tif").write_bytes(b"an editor's work")
    hot.configure(more=MORE)
    assert hot.process(photo, "--config", hot.config).returncode == 0
    digest = record_of(hot.folder)["source"]["sha256"]
    memory = Memory(photo.name, digest, Corrections((WISH,)))

    def last(known: Memory, *, painted: bool = False) -> LastRun:
        return corrections.last_run(photo, hot.folder, known, painted=painted)

    assert last(memory).heal == own / "IMG-heal-2.tif"
    (own / "IMG-heal-2.tif").unlink()
    assert last(memory) == LastRun(lost="IMG-heal-2.tif is not there", preset="studio")
    assert last(Memory(photo.name, digest)) == LastRun(), "nobody corrected anything"
    assert last(Memory(photo.name, digest), painted=True).lost
    assert not last(Memory(photo.name, "ab" * 32)).lost


def test_who_asks_for_all_of_it_gets_it_anew_with_a_correction_under_way(hot: Hot) -> None:
    photo = hot.drop("IMG.tif")
    assert hot.process(photo).returncode == 0
    hot.configure(more=MORE)
    hot.start()
    wait_for(lambda: hot.rows("done"), hot.log())
    assert hot.about("pause").returncode == 0
    begun, memory = work(hot.folder), decide(hot.folder, photo, WISH)
    wait_for(lambda: hot.rows("queued"), hot.log())
    assert hot.about("retry", photo).returncode == 0
    assert hot.about("resume").returncode == 0
    wait_for(lambda: record_of(hot.folder)["corrections"]["spots"], hot.log())
    assert record_of(hot.folder)["last_run"] == {}
    assert work(hot.folder) != memory.decided.key(begun)
