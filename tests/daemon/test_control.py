"""What a person may ask for: over the socket, over the journal, and what it does to files."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouchd import control
from retouchd.control import Control, Refused
from retouchd.errors import UnknownJob
from retouchd.state.journal import EVERYWHERE, holding


def everything(hot: Hot) -> list[str]:
    return sorted(str(p.relative_to(hot.folder)) for p in hot.folder.rglob("*") if p.is_file())


@pytest.fixture
def done(hot: Hot) -> Iterator[Hot]:
    """Two photos that a running daemon has done."""
    hot.drop("a.tif", b"one")
    hot.drop("day/b.tif", b"two")
    process = hot.start()
    wait_for(lambda: len(hot.rows("done")) == 2)
    wait_for((hot.folder / "day/_retouchd/contact.html").exists)
    yield hot
    process.terminate()
    process.wait(60)


def test_undo_removes_only_what_nobody_touched_and_the_photo_is_not_taken_again(done: Hot) -> None:
    (done.folder / "notes.txt").write_text("mine")
    dry = done.about("undo", done.folder, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "would remove 14 files of 2 photos\n")
    undone = done.about("undo", done.folder / "a.tif")
    assert (undone.returncode, undone.stdout) == (0, "removed 7 files of 1 photo\n")
    edited = done.folder / "day/b-retouched.tif"
    edited.write_bytes(b"hours of work")
    kept = done.about("undo", done.folder / "day")

    assert kept.returncode == 1
    assert "stays, changed since" in kept.stderr
    assert edited.read_bytes() == b"hours of work"
    assert not [n for n in everything(done) if n.startswith(("a-", "_retouchd"))]
    assert {"a.tif", "day/b.tif", "day/_retouchd/b.json", "notes.txt"} <= set(everything(done))
    assert done.about("why", done.folder / "a.tif").stdout == "skipped: undone by a person\n"
    assert done.about("undo", done.folder / "a.tif").returncode == 1
    assert done.about("retry", done.folder / "a.tif").returncode == 0
    wait_for((done.folder / "a-retouched.tif").exists)


def test_why_names_the_latest_result_and_tells_when_it_is_gone(done: Hot) -> None:
    photo, result = done.folder / "a.tif", done.folder / "a-retouched.tif"
    assert done.about("why", photo).stdout == "done: 1 healed -> a-retouched.tif\n"
    result.rename(done.base / "delivered.tif")
    told = "done: 1 healed; a-retouched.tif was removed or renamed, retouchd requeue makes it again\n"
    assert done.about("why", photo).stdout == told
    assert done.about("requeue", photo).returncode == 0
    wait_for(result.exists, "the result, made again")
    wait_for(lambda: len(done.rows("done")) == 2)

    result.write_bytes(b"hours of work")
    photo.write_bytes(b"exported again")
    wait_for((done.folder / "a-retouched-2.tif").exists, "a second result")
    wait_for(lambda: len(done.rows("done")) == 2)
    assert done.about("why", photo).stdout == "done: 1 healed -> a-retouched-2.tif\n"
    for path in (done.folder / "_retouchd").glob("*.json"):
        path.unlink()
    assert done.about("why", photo).stdout == "done: 1 healed; its record was removed\n"
    done.folder.rename(done.base / "away")
    assert done.about("why", photo).stdout == f"done: 1 healed; {done.folder} is not there\n"


@pytest.mark.parametrize("slip", ["", "above"])
def test_a_slip_does_not_undo_everything(done: Hot, slip: str) -> None:
    """A variable that is not set: "$SHOOT" is the current folder, "$SHOOT/" the whole disk."""
    before = everything(done)
    for command in ("undo", "requeue"):
        told = done.about(command, done.base if slip else "", cwd=done.folder)
        assert (told.returncode, told.stdout) == (2, "")
        assert ("name a shoot" if slip else "an empty name") in told.stderr
    assert everything(done) == before


def test_undo_believes_no_record_that_points_elsewhere(hot: Hot) -> None:
    hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    treasure = hot.drop("treasure.tif-not", b"mine")
    own = hot.folder / "_retouchd"
    own.mkdir()
    forged = {"schema": "retouchd.record/1", "source": {"name": "../../etc/passwd"}, "outputs": {}}
    (own / "x.json").write_text(json.dumps(forged))
    forged["source"] = {"name": "x.tif"}
    forged["outputs"] = {"result": {"name": treasure.name, "sha256": "0"}}
    (own / "x-2.json").write_text(json.dumps(forged))
    hot.about("undo", hot.folder)

    assert treasure.read_bytes() == b"mine"


def test_requeue_does_a_photo_anew(done: Hot) -> None:
    result = done.folder / "a-retouched.tif"
    before = result.stat().st_ctime_ns
    assert done.about("requeue", done.folder / "a.tif").returncode == 0
    wait_for(lambda: result.exists() and result.stat().st_ctime_ns != before)
    wait_for(lambda: len(done.rows("done")) == 2)
    assert "was done already" not in done.about("why", done.folder / "a.tif").stdout


def test_requeue_of_a_shoot_takes_up_what_has_no_results_any_more(done: Hot) -> None:
    """After undo, or when somebody removed _retouchd, there is no record that could tell of the photos."""
    day = done.folder / "day"
    done.drop("day/bad.tif", b"DAMAGED")
    wait_for(lambda: done.rows("skipped"), done.log())
    assert done.about("undo", day).returncode == 0
    assert not (day / "b-retouched.tif").exists()
    assert done.about("undo", day).returncode == 1
    again = done.about("requeue", day)
    assert (again.returncode, again.stdout) == (
        0,
        "taken up again with the next look at their folder: 2\n",
    )
    wait_for((day / "b-retouched.tif").exists, "the photo that was undone")
    wait_for(lambda: len(done.rows("done")) == 2 and len(done.rows("skipped")) == 1, str(done.rows()))


def test_a_photo_that_a_person_skipped_is_not_taken_up_with_its_shoot(done: Hot) -> None:
    photo = done.drop("day/bad.tif", b"DAMAGED")
    wait_for(lambda: done.rows("skipped"), done.log())
    assert done.about("skip", photo).returncode == 0
    assert "their folder: 1\n" in done.about("requeue", done.folder / "day").stdout
    assert "a person asked to leave it alone" in done.about("why", photo).stdout


def test_a_pause_outlasts_a_restart_and_a_resume_ends_it(hot: Hot) -> None:
    assert hot.about("pause").returncode == 1  # no daemon ever ran: there is no journal
    process = hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    assert "paused: all folders" in hot.about("pause").stdout
    hot.drop("a.tif")
    wait_for(lambda: hot.rows("queued"))
    process.terminate()
    process.wait(60)
    assert "resumed" not in hot.about("pause", hot.folder).stdout
    process = hot.start()
    wait_for(lambda: hot.log().count('"ready"') == 2)
    assert hot.rows("queued")
    assert "all folders are paused" in hot.about("resume", hot.folder).stdout
    assert hot.rows("queued")
    assert hot.about("resume").returncode == 0
    wait_for((hot.folder / "a-retouched.tif").exists)
    assert hot.about("pause", hot.base).returncode == 1


def test_skip_and_retry(hot: Hot) -> None:
    hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    hot.about("pause")
    photo = hot.drop("a.tif")
    wait_for(lambda: hot.rows("queued"))
    assert hot.about("skip", photo).returncode == 0
    hot.about("resume")
    hot.drop("b.tif", b"other")
    wait_for((hot.folder / "b-retouched.tif").exists)
    assert not (hot.folder / "a-retouched.tif").exists()
    assert hot.about("why", photo).stdout.startswith("skipped: a person asked")
    hot.about("retry", photo)
    wait_for((hot.folder / "a-retouched.tif").exists)


def test_drain_finishes_what_is_queued_and_ends_the_service(hot: Hot) -> None:
    assert "no daemon runs" in hot.about("drain").stderr
    for i in range(3):
        hot.drop(f"{i}.tif", f"SLEEP={3 if i == 0 else 0} {i}".encode())
    process = hot.start()
    wait_for(lambda: hot.rows("running") and len(hot.rows("queued")) == 2)
    assert hot.about("drain").returncode == 0
    hot.drop("late.tif")
    assert process.wait(60) == 0
    assert len(list(hot.folder.glob("*-retouched.tif"))) == 3
    assert not (hot.folder / "late-retouched.tif").exists()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Path]:
    """A socket that answers, in a folder whose path is longer than an address may be."""
    state = tmp_path / ("s" * 120)
    state.mkdir()

    def answer(what: str, about: str) -> str:
        if what == "fail":
            raise UnknownJob(about)
        return f"{what} {about}"

    served, end = Control(state), threading.Event()

    def serve() -> None:
        while not end.wait(0.01):
            served.step(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield state
    end.set()
    thread.join()
    served.close()


def test_the_socket_is_the_owners_and_survives_nonsense(desk: Path) -> None:
    mode = stat.S_IMODE((desk / control.SOCKET_NAME).stat().st_mode)
    assert mode == 0o600
    fd = os.open(desk, os.O_RDONLY)
    for data in (b"", b"\n", b"{", b"[]\n", b'{"do": 3}\n', b"x" * 100_000, b"[" * 60_000 + b"\n"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(f"/proc/self/fd/{fd}/{control.SOCKET_NAME}")
            try:
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                line.recv(100)
            except OSError:
                pass
    os.close(fd)
    assert control.ask(desk, "look", "\udcff ü\n") == "look \udcff ü\n"
    with pytest.raises(Refused, match="not in the journal") as caught:
        control.ask(desk, "fail", "x")
    assert caught.value.exit_code == UnknownJob.exit_code


def test_without_a_daemon_nobody_answers(tmp_path: Path) -> None:
    assert control.ask(tmp_path, "look") is None
    assert control.ask(tmp_path / "absent", "look") is None


def test_the_same_pixels_under_a_new_name_are_not_rendered_again(done: Hot) -> None:
    twin = done.drop("other/renamed.tif", b"one SLEEP=0")
    twin.write_bytes(b"one")
    wait_for((done.folder / "other/renamed-retouched.tif").exists)
    wait_for(lambda: len(done.rows("done")) == 3)
    told = done.about("why", twin).stdout
    said = "done: 1 healed (same pixels as a.tif; its result was copied) -> renamed-retouched.tif\n"
    assert told == said
    copy, first = done.folder / "other/renamed-retouched.tif", done.folder / "a-retouched.tif"
    assert copy.read_bytes() == first.read_bytes()
    assert copy.stat().st_ino != first.stat().st_ino
    about = json.loads((done.folder / "other/_retouchd/renamed.json").read_bytes())
    assert about["source"]["name"] == "renamed.tif"

    first.write_bytes(b"edited")
    done.drop("third.tif", b"one")
    wait_for((done.folder / "third-retouched.tif").exists)
    assert b"edited" not in (done.folder / "third-retouched.tif").read_bytes()


def test_results_go_to_a_mirror_when_asked(hot: Hot) -> None:
    mirror = hot.base / "out"
    hot.config.write_text(hot.config.read_text().replace("[scan]", f'output = "mirror:{mirror}"\n[scan]', 1))
    hot.drop("day/a.tif")
    process = hot.start()
    wait_for(lambda: "out, where its results go" in hot.about("status").stdout)
    mirror.mkdir()
    wait_for((mirror / "day/a-retouched.tif").exists)
    wait_for(lambda: hot.rows("done"))
    assert sorted(p.name for p in hot.folder.rglob("*") if p.is_file()) == ["a.tif"]
    assert hot.about("undo", hot.folder / "day").stdout == "removed 7 files of 1 photo\n"
    assert not [p for p in mirror.rglob("*") if p.is_file()]
    process.terminate()
    assert process.wait(60) == 0


def test_a_pause_holds_for_what_is_watched_below_its_folder_instead(hot: Hot) -> None:
    inner, plain = hot.folder / "2026", hot.config.read_text()
    photo = hot.drop("2026/a.tif")
    process = hot.start()
    wait_for(lambda: hot.rows("done"))
    assert hot.about("pause", hot.folder).returncode == 0
    hot.config.write_text(plain.replace(f'path = "{hot.folder}"', f'path = "{inner}"'))
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: '"reloaded"' in hot.log())
    other = hot.drop("2026/b.tif", b"other")
    wait_for(lambda: hot.rows("queued") or (inner / "b-retouched.tif").exists(), hot.log())
    assert "its folder is paused" in hot.about("why", other).stdout
    said = hot.about("resume", inner).stdout
    assert f"{hot.folder} above it is paused; retouchd resume {hot.folder} ends that" in said
    assert hot.rows("queued")
    assert hot.about("resume", hot.folder).returncode == 0
    wait_for((inner / "b-retouched.tif").exists, hot.log())
    assert photo.exists()


def test_process_puts_results_where_the_service_does(hot: Hot) -> None:
    mirror = hot.base / "out"
    hot.config.write_text(hot.config.read_text().replace("[scan]", f'output = "mirror:{mirror}"\n[scan]', 1))
    photo = hot.drop("day/a.tif")
    away = hot.process(photo, "--config", hot.config)
    assert (away.returncode, mirror.exists()) == (1, False)
    assert f"cannot write in {mirror}: it is not there" in away.stderr
    mirror.mkdir()
    assert hot.process(photo, "--config", hot.config).returncode == 0
    assert everything(hot) == ["day/a.tif"]
    told = json.loads((mirror / "day/_retouchd/a.json").read_bytes())
    assert told["source"]["folder"] == str(photo.parent), "of one name in two folders of one mirror"
    hot.start()
    wait_for(lambda: hot.rows("done"), hot.log())
    assert "was done already" in hot.rows("done")[0]["reason"]


def test_process_goes_by_the_preset_of_the_watched_folder_unless_another_is_named(hot: Hot) -> None:
    hot.config.write_text(hot.config.read_text().replace("[scan]", 'preset = "school"\n[scan]', 1))
    photo, elsewhere = hot.drop("a.tif"), hot.base / "b.tif"
    elsewhere.write_bytes(b"another")

    def done_by(place: Path, *words: str) -> str:
        assert hot.process(place, *words, "--config", hot.config).returncode == 0
        told = json.loads((place.parent / f"_retouchd/{place.stem}.json").read_bytes())
        return str(told["engine"]["recipe"]["preset"])

    assert done_by(photo) == "school"
    assert done_by(photo, "--preset", "beauty") == "beauty"
    assert done_by(elsewhere) == "studio"


def test_status_says_which_folder_is_paused(hot: Hot) -> None:
    second = hot.base / "second"
    second.mkdir()
    hot.config.write_text(f'{hot.config.read_text()}\n[[watch]]\npath = "{second}"\n')
    hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    assert hot.about("pause", second).returncode == 0
    told = json.loads(hot.about("status", "--json").stdout)["roots"]
    assert {root["path"]: root["paused"] for root in told} == {str(hot.folder): False, str(second): True}
    assert f"folder: {second}: online, paused, " in hot.about("status").stdout
    assert control.ask(hot.state, "says") == "0 waiting, 0 done", "the other folder is worked on"
    assert hot.about("pause").returncode == 0
    assert control.ask(hot.state, "says") == "paused, 0 waiting, 0 done"


def test_which_pauses_hold() -> None:
    pauses = frozenset({b"/hot/a", b"/hot", b"/hotter"})
    assert holding(pauses, b"/hot/a") == [b"/hot", b"/hot/a"]
    assert holding(pauses, b"/hot/ab") == [b"/hot"]
    assert holding(pauses - {b"/hot"}, b"/hot") == [], "of a part alone the whole is not paused"
    assert holding(frozenset({EVERYWHERE}), b"/hot") == [EVERYWHERE]
