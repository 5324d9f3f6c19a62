"""Commands: what they print, what they return, and what they do not load."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import FAKE, Hot

from retouch_engine import PHOTO_SUFFIXES
from retouchd import batch, config
from retouchd.config import Settings
from retouchd.jobs import InstanceId, Signature, State
from retouchd.state.journal import Journal
from retouchd.web import metrics


@pytest.fixture
def photos(hot: Hot) -> Hot:
    hot.drop("a.tif")
    hot.drop("day/b.jpg", b"photo REVIEW")
    return hot


def test_help_loads_no_array_library() -> None:
    program = (
        "import sys\nfrom retouchd.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted(m for m in ('numpy', 'torch', 'cv2', 'tifffile') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "Heal skin blemishes" in done.stdout
    assert "Exit codes" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(hot: Hot) -> None:
    assert hot.cli("--version").stdout.startswith("retouchd, version ")


def test_process_does_files_and_folders_without_a_configuration(photos: Hot) -> None:
    photos.config.unlink()
    done = photos.process(photos.folder)

    assert done.returncode == 0
    assert done.stderr == ""
    assert [line.split(": ", 1)[1].split(" in ")[0] for line in done.stdout.splitlines()] == [
        "1 healed",
        "1 healed, 1 for review",
    ]
    assert (photos.folder / "day/b-retouched.tif").exists()
    assert (photos.folder / "day/_retouchd/contact.html").exists()


def test_a_result_that_lies_in_a_folder_is_no_failure(photos: Hot) -> None:
    """After ``explain`` had drawn on a photo no command over its folder succeeded any more."""
    drawn = photos.drop("a-explained.png", b"made by retouchd")
    done = photos.process(photos.folder)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert "own output" in done.stderr
    assert photos.process(drawn).returncode == 1


def test_process_again_finds_the_work_done(photos: Hot) -> None:
    photos.process(photos.folder)
    again = photos.process(photos.folder)

    assert again.returncode == 0
    assert again.stdout.count("(was done already)") == 2
    assert len(list(photos.folder.rglob("*-retouched*.tif"))) == 2


def test_process_never_overwrites_an_edited_result(photos: Hot) -> None:
    photos.process(photos.folder / "a.tif")
    result = photos.folder / "a-retouched.tif"
    result.write_bytes(b"edited")
    photos.process(photos.folder / "a.tif")

    assert result.read_bytes() == b"edited"
    assert (photos.folder / "a-retouched-2.tif").exists()


def test_process_names_the_file_that_stands_in_its_way(photos: Hot) -> None:
    (photos.folder / "_retouchd").write_bytes(b"")

    done = photos.process(photos.folder / "a.tif")

    assert done.returncode == 1
    assert f"Not a directory: {photos.folder}/_retouchd" in done.stderr


def test_process_says_of_a_misspelt_name_that_it_is_not_there(photos: Hot) -> None:
    done = photos.process(photos.folder / "x.tif")

    assert done.returncode == 1
    assert done.stderr == f"{photos.folder / 'x.tif'}: x.tif is not there\n"


def test_process_out_mirrors_the_folders(photos: Hot) -> None:
    out = photos.base / "out"
    assert photos.process(photos.folder, "--out", out).returncode == 0

    assert (out / "a-retouched.tif").exists()
    assert (out / "day/_retouchd/b.json").exists()
    assert not list(photos.folder.rglob("*retouched*"))


def test_json_is_one_record_a_line_and_failures_are_errors(photos: Hot) -> None:
    photos.drop("c.tif", b"DAMAGED")
    photos.drop("d\n.tif")
    done = photos.process(photos.folder, photos.folder / "gone.tif", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 1
    assert [t.get("error", {}).get("code") for t in told] == [None, "damaged", "bad-name", None, "gone"]
    assert told[0]["outputs"]["result"]["name"] == "a-retouched.tif"
    assert set(told[1]) == {"source", "error"}


def test_a_dry_run_writes_nothing(photos: Hot) -> None:
    done = photos.process(photos.folder, "--dry-run", "--json")

    assert json.loads(done.stdout.splitlines()[0])["counts"]["healed"] == 1
    assert sorted(p.name for p in photos.folder.rglob("*")) == ["a.tif", "b.jpg", "day"]


KEEPS_A_FILE_OPEN = """
import os, sys
class Click:
    def find_spec(name, path=None, target=None):
        name != "click" or os.open("/", os.O_RDONLY)
sys.meta_path.insert(0, Click)
from retouchd.__main__ import main
main()
"""
"""As libffi does, whoever loads it."""


@pytest.mark.parametrize("started", ["-m retouchd", f"-c '{KEEPS_A_FILE_OPEN}'"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_trouble(photos: Hot, started: str, closed: str) -> None:
    """As a service is started by what came before systemd, or a job by cron."""
    command = f"{sys.executable} {started} process hot/a.tif hot/day --engine {FAKE} {closed}"
    told = subprocess.run(
        ["bash", "-c", command], env=photos.env, cwd=photos.base, capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.count("retouched.tif") == (2 if closed == "2>&-" else 0)
    assert (photos.folder / "a.tif").read_bytes() == b"photo"
    assert b"healed in" not in b"".join(p.read_bytes() for p in photos.folder.rglob("*") if p.is_file())
    assert (photos.folder / "_retouchd/contact.html").exists()


def test_one_bad_photo_does_not_stop_the_others(photos: Hot) -> None:
    photos.drop("0.tif", b"KILL")
    done = photos.process(photos.folder)

    assert done.returncode == 1
    assert "the worker died on this photo" in done.stderr
    assert (photos.folder / "a-retouched.tif").exists()


def test_a_folder_that_cannot_be_listed_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """process left out a client's folder without a word, and ended with 0."""
    closed, listed = tmp_path / "Client B", os.scandir
    closed.mkdir()
    (tmp_path / "a.tif").write_bytes(b"photo")

    def scandir(path: Any) -> Any:
        if path == os.fsencode(closed):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", scandir)
        todo = batch.items([tmp_path], tmp_path / "out", Settings())
    assert [(i.source.name, i.barred) for i in todo] == [("a.tif", ""), (closed.name, "Permission denied")]
    with batch.Batch(Settings(), batch.Wish("studio"), FAKE) as work:
        failure = work.do(todo[1]).failure
    assert failure
    assert (failure.code, failure.message) == ("folder", "cannot be listed: Permission denied")


def test_a_name_that_no_folder_can_have_costs_the_others_nothing(photos: Hot) -> None:
    told = photos.process("hot/a.tif", "x" * 300, "hot/day")
    assert told.returncode == 1
    assert "File name too long" in told.stderr or "names have at most 255" in told.stderr
    assert len(told.stdout.splitlines()) == 2


def test_hostile_names_reach_no_terminal(photos: Hot) -> None:
    for name in ("\x1b[2J.tif", "-rf.tif", "\udcff.tif", "$(id).tif", "[red].tif"):
        photos.drop(name)
    done = photos.process(photos.folder)

    assert done.returncode == 1
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())
    for name in ("-rf", "\udcff", "$(id)", "[red]"):
        assert (photos.folder / f"{name}-retouched.tif").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nonsense"], 2),
        (["process"], 2),
        (["process", "x.tif", "--preset", "none"], 78),
        (["process", "x.tif", "--config", "none.toml"], 78),
        (["run", "--config", "none.toml"], 78),
        (["status", "--config", "none.toml"], 78),
    ],
)
def test_exit_codes_of_mistakes(hot: Hot, words: list[str], code: int) -> None:
    done = hot.cli(*words)

    assert done.returncode == code
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_name_is_not_the_current_folder(photos: Hot) -> None:
    told = photos.process("")
    assert told.returncode == 2
    assert "an empty name" in told.stderr
    assert photos.about("pause", "").returncode == 2


def test_a_mask_fits_one_photo(photos: Hot) -> None:
    assert photos.process(photos.folder, "--mask", photos.folder / "a.tif").returncode == 2
    one = photos.folder / "a.tif"
    assert photos.process(one, "--mask", photos.folder / "day/b.jpg").returncode == 0


def test_an_engine_that_does_not_load_is_69(photos: Hot) -> None:
    done = photos.cli("process", photos.folder, "--engine", "fake_engine:broken")

    assert done.returncode == 69
    assert "the engine does not load" in done.stderr


def test_init_config_writes_what_check_config_accepts(tmp_path: Path) -> None:
    hot = Hot(tmp_path)
    hot.folder.mkdir()
    words: list[str | Path] = [
        "init-config",
        "--watch",
        hot.folder,
        "--state",
        hot.state,
        "--out",
        hot.config,
    ]
    assert hot.cli(*words).returncode == 0
    assert tomllib.loads(hot.config.read_text())["watch"][0]["path"] == str(hot.folder)
    assert hot.about("check-config").returncode == 0

    again = hot.cli(*words)
    assert again.returncode == 73
    assert "exists already" in again.stderr
    inside = hot.cli(
        "init-config", "--watch", hot.folder, "--state", hot.folder / "s", "--out", tmp_path / "c.toml"
    )
    assert inside.returncode == 78
    assert not (tmp_path / "c.toml").exists()


def test_a_watched_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """A slip in its name: a configuration was written without a word, and the service waited for ever."""
    hot, none, photo = Hot(tmp_path), tmp_path / "none", tmp_path / "a.tif"
    photo.write_bytes(b"photo")
    state = ("--state", hot.state, "--out", hot.config)
    refused = hot.cli("init-config", "--watch", photo, *state)
    assert (refused.returncode, hot.config.exists()) == (2, False)
    assert "a.tif' is a file" in refused.stderr

    told = hot.cli("init-config", "--watch", none, *state)
    assert told.returncode == 0
    assert f"note: {none} is not there now; the service waits for it" in told.stdout
    photo.rename(none)
    assert f"note: {none} is a file and no folder" in hot.about("check-config").stdout


def test_what_the_disk_refuses_is_one_line(tmp_path: Path, hot: Hot) -> None:
    told = hot.cli("init-config", "--watch", tmp_path, "--out", "/proc/config.toml")
    assert (told.returncode, told.stderr) == (74, "retouchd: No such file or directory: /proc/config.toml\n")


def test_check_config_tells_all_mistakes(hot: Hot) -> None:
    hot.config.write_text("a = 1\nb = 2\nstate_dir = 3\n")
    done = hot.about("check-config")

    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 3
    assert "state_dir: found 3; allowed: an absolute path" in done.stderr


def test_status_list_and_why_without_a_daemon(hot: Hot) -> None:
    assert "no daemon has run" in hot.about("status").stderr
    assert hot.about("status").returncode == 1


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("hot/a-retouched.tif", "skipped: own output"),
        ("hot/_retouchd/a-heal.tif", "skipped: own output"),
        ("hot/._a.tif", "skipped: an AppleDouble shadow of another file"),
        ("hot/@eaDir/a.tif", "skipped: inside a folder of the NAS or system"),
        ("hot/notes.txt", f"skipped: not a photo's ending ({', '.join(sorted(PHOTO_SUFFIXES))})"),
        ("hot/new.tif", "not seen: no such file"),
        ("elsewhere.tif", "not seen: outside every watched folder"),
    ],
)
def test_why_explains_what_is_not_in_the_journal(hot: Hot, name: str, answer: str) -> None:
    from retouchd.state.journal import Journal

    Journal.create(hot.state).close()
    done = hot.about("why", hot.base / name)

    assert done.stdout.strip() == answer
    assert done.returncode == 1


def test_a_folder_that_is_watched_no_longer_raises_no_alarm(hot: Hot) -> None:
    """What waited there will wait for ever; a queue that never empties is what monitoring calls for."""
    journal = Journal.create(hot.state)
    for folder, name in ((hot.folder, "new.tif"), (hot.base / "old", "a.tif"), (hot.base / "old", "b.tif")):
        journal.see(os.fsencode(folder / name), os.fsencode(folder), Signature(1, 2, 3, 4, 5), "")
        row = journal.find(os.fsencode(folder / name))
        assert row
        journal.save(replace(row, state=State.DONE if name == "b.tif" else State.QUEUED, seen_at=0.0))
        journal.note_root(os.fsencode(folder), "online", "")
    watched = [os.fsencode(hot.folder)]
    assert journal.counts(watched)[State.QUEUED] == 1
    assert journal.counts(watched)[State.DONE] == 1
    figures = (metrics.text(journal, config.load(hot.config)) or b"").decode()
    journal.close()

    assert f'root="{hot.base}/old"' not in figures
    told = json.loads(hot.about("status", "--json").stdout)
    assert (told["counts"]["queued"], told["counts"]["done"], told["unwatched"]) == (1, 1, 1)
    assert "1 waiting in folders that are watched no longer" in hot.about("status").stdout


@pytest.mark.parametrize(
    ("called", "silent_s", "status"),
    [
        ("retouchd", 5, "3 waiting"),
        ("retouchd", 300, "3 waiting; busy since 5 min"),
        ("another", 300, "not running"),
        ("/clones/retouchd/another", 300, "not running"),
        ("/clones/retouchd/bin/retouchd", 300, "3 waiting; busy since 5 min"),
    ],
)
def test_a_daemon_that_looks_for_long_is_busy_and_a_stranger_of_its_number_is_none(
    hot: Hot, called: str, silent_s: float, status: str
) -> None:
    waits = [sys.executable, "-c", "import sys; sys.stdin.read()", called]
    with subprocess.Popen(waits, stdin=subprocess.PIPE) as process:
        journal = Journal.create(hot.state, lambda: time.time() - silent_s)
        journal.beat(InstanceId("a"), process.pid, "3 waiting")
        journal.close()
        told = json.loads(hot.about("status", "--json").stdout)
        process.kill()
    assert told["status"] == status
    assert told["running"] == (status != "not running")
    assert json.loads(hot.about("status", "--json").stdout)["status"] == "not running"


def test_status_and_retry_over_a_journal(hot: Hot) -> None:
    journal = Journal.create(hot.state)
    photo = hot.drop("a.tif")
    journal.see(os.fsencode(photo), os.fsencode(hot.folder), Signature.of(photo.stat()), "size still grows")
    journal.note_root(os.fsencode(hot.folder), "online", "polling (nfs4)")
    journal.close()

    told = json.loads(hot.about("status", "--json").stdout)
    assert (told["running"], told["counts"]["settling"]) == (False, 1)
    assert "polling (nfs4)" in hot.about("status").stdout
    assert hot.about("why", photo).stdout == "settling: size still grows\n"
    assert hot.about("retry", "1").returncode == 0
    assert hot.about("retry", "2").returncode == 1
    assert hot.about("retry", photo).returncode == 0


def test_doctor_tells_every_subject(hot: Hot) -> None:
    told = hot.cli("doctor", "--config", hot.config, "--engine", "fake_engine:open_engine").stdout

    for subject in ("python", "exiftool", "inotify", "watched", "state folder", "room", "engine: numpy"):
        assert subject in told


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "img", "br", "input"}:
            self.open.append(tag)
        self.scripts += tag == "script"
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_contact_sheet_is_sound_html_and_escapes_everything(hot: Hot) -> None:
    for name in ("<img src=x onerror=alert(1)>.tif", "a#b?c.tif", "\udcff.tif", "z.tif"):
        hot.drop(name, b"photo REVIEW" if name == "z.tif" else b"photo")
    hot.process(hot.folder)
    text = (hot.folder / "_retouchd/contact.html").read_text("utf-8")
    page = Page()
    page.feed(text)

    assert page.open == []
    assert page.scripts == 0
    assert "&lt;img src=x" in text
    assert "<b>" not in text
    assert all(image["alt"] and image["loading"] == "lazy" for image in page.images)
    assert len([image for image in page.images if image.get("class") == "view"]) == 4
    assert len(page.images) == 4 + 5
    for image in page.images:
        assert str(image["src"]).startswith("contact/")
    assert 'href="../a%23b%3Fc-retouched.tif"' in text
    assert 'src="contact/%FF.jpeg"' in text
    assert text.index("z.tif") < text.index("a#b?c.tif")
    assert "4 photos" in text
    assert "To look at: 1 spot on 1 photo<" in text
    assert '<li><a href="#photo-1">z.tif</a>' in text
    assert "unknown, 9 px: unsure" in text
    assert 'lang="en"' in text


def test_a_record_of_somebody_else_does_not_break_the_page(hot: Hot) -> None:
    hot.drop("a.tif")
    own = hot.folder / "_retouchd"
    own.mkdir()
    for i, extra in enumerate(
        ('"outputs": 3', '"spots": [1]', '"counts": {"found": "x"}', '"contact": {"rows": 5}')
    ):
        (own / f"x{i}.json").write_text(
            f'{{"schema": "retouchd.record/1", "source": {{"name": "<b>"}}, {extra}}}'
        )
    assert hot.process(hot.folder).returncode == 0
    assert "<b>" not in (own / "contact.html").read_text()
