"""The daemon end to end: a real process over a real folder, with the fake engine in its worker."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouchd import naming
from retouchd.jobs import Signature
from retouchd.state.journal import FILE_NAME, Journal


def results(hot: Hot) -> list[str]:
    return sorted(p.name for p in hot.folder.rglob("*-retouched*.tif"))


def wait_result(hot: Hot, name: str) -> Path:
    path = hot.folder / name
    wait_for(path.exists, name)
    return path


def settled(hot: Hot, count: int) -> list[dict[str, Any]]:
    """The rows, once ``count`` of them are at rest."""

    def at_rest() -> list[dict[str, Any]]:
        rows = hot.rows()
        resting = [r for r in rows if r["state"] in {"done", "skipped", "quarantined"}]
        return rows if len(resting) >= count else []

    found: list[dict[str, Any]] = wait_for(at_rest, f"{count} rows at rest; log: {hot.log()}")
    return found


def listens(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has come so far that it decides for itself what becomes of a SIGTERM; or has ended."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16) if "SigCgt:" in status else -1
    return bool(caught >> (signal.SIGTERM - 1) & 1) or process.poll() is not None


def stop(process: subprocess.Popen[bytes]) -> int:
    wait_for(lambda: listens(process))
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def test_photos_are_retouched_beside_the_original_and_results_are_not_taken(hot: Hot) -> None:
    hot.drop("before.tif")
    process = hot.start()
    wait_result(hot, "before-retouched.tif")
    hot.drop("Client/IMG.jpg", b"photo REVIEW")
    wait_result(hot, "Client/IMG-retouched.tif")
    (hot.folder / "copy.tif").write_bytes((hot.folder / "before-retouched.tif").read_bytes())
    rows = settled(hot, 3)

    assert stop(process) == 0
    assert results(hot) == ["IMG-retouched.tif", "before-retouched.tif"]
    assert {(Path(r["file"]).name, r["state"], r["code"]) for r in rows} == {
        ("before.tif", "done", ""),
        ("IMG.jpg", "done", ""),
        ("copy.tif", "skipped", "own-output"),
    }
    assert (hot.folder / "before.tif").read_bytes() == b"photo"
    assert "IMG.jpg" in (hot.folder / "Client/_retouchd/contact.html").read_text()
    told = json.loads((hot.folder / "Client/_retouchd/IMG.json").read_bytes())
    assert told["outputs"]["result"]["name"] == "IMG-retouched.tif"


def test_a_restart_does_nothing_twice_and_a_new_export_replaces_the_result(hot: Hot) -> None:
    hot.drop("a.tif", b"one")
    process = hot.start()
    wait_result(hot, "a-retouched.tif")
    settled(hot, 1)
    stop(process)
    before = (hot.folder / "a-retouched.tif").stat()
    process = hot.start()
    hot.drop("b.tif")
    wait_result(hot, "b-retouched.tif")
    assert (hot.folder / "a-retouched.tif").stat() == before

    hot.drop("a.tif", b"two")
    wait_for(lambda: b"two" in (hot.folder / "a-retouched.tif").read_bytes())
    stop(process)
    assert results(hot) == ["a-retouched.tif", "b-retouched.tif"]


def test_a_lost_journal_does_not_redo_a_shoot(hot: Hot) -> None:
    hot.drop("a.tif")
    process = hot.start()
    result = wait_result(hot, "a-retouched.tif")
    stop(process)
    result.write_bytes(b"with metadata that an editor added")
    for path in hot.state.glob("journal*"):
        path.unlink()
    process = hot.start()
    rows = settled(hot, 1)
    stop(process)

    assert rows[0]["reason"] == "1 healed (was done already)"
    assert results(hot) == ["a-retouched.tif"]
    assert result.read_bytes() == b"with metadata that an editor added"


def test_a_journal_that_breaks_while_the_service_runs_ends_it_with_one_clear_line(hot: Hot) -> None:
    hot.drop("a.tif")
    process = hot.start()
    wait_result(hot, "a-retouched.tif")
    settled(hot, 1)
    for path in hot.state.glob("journal*"):
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
    hot.drop("b.tif")
    assert process.wait(60) == 78
    said = hot.log().splitlines()
    assert any("is damaged" in line and "move journal* away" in line for line in said)
    assert not any("Traceback" in line for line in said)

    for path in hot.state.glob("journal*"):
        path.rename(path.with_name(f"old-{path.name}"))
    process = hot.start()
    wait_result(hot, "b-retouched.tif")
    stop(process)
    assert results(hot) == ["a-retouched.tif", "b-retouched.tif"]


def test_a_journal_whose_rows_are_damaged_is_told_at_the_start(hot: Hot) -> None:
    damage_rows(hot)
    process = hot.start()
    assert process.wait(60) == 78
    assert "is damaged" in hot.log()
    assert "Traceback" not in hot.log()


def test_commands_tell_of_damaged_rows_in_one_line(hot: Hot) -> None:
    damage_rows(hot)
    for words in (["list"], ["status"], ["why", str(hot.folder / "a.tif")], ["retry", "12"]):
        done = hot.cli(*words)
        assert (done.returncode, done.stderr.count("\n")) == (78, 1), words
        assert "is damaged" in done.stderr


def test_commands_tell_of_a_column_that_is_no_text(hot: Hot) -> None:
    Journal.create(hot.state).close()
    with sqlite3.connect(hot.state / FILE_NAME) as db:
        db.execute("INSERT INTO root VALUES (?, CAST(? AS TEXT), '', 0)", (os.fsencode(hot.folder), b"\xff"))
    db.close()
    done = hot.cli("status")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "is damaged" in done.stderr


def damage_rows(hot: Hot) -> None:
    """A journal of 300 photos that opens, and whose pages hold nothing."""
    journal = Journal.create(hot.state)
    for number in range(300):
        path = os.fsencode(hot.folder / f"{'long' * 30}{number}.tif")
        journal.see(path, os.fsencode(hot.folder), Signature(1, number, 3, 4, 5), "new")
    journal.close()
    file = hot.state / FILE_NAME
    data = bytearray(file.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    file.write_bytes(data)


def test_bad_input_has_its_reason_and_the_service_goes_on(hot: Hot) -> None:
    hot.configure(more="\n[presets.soft]\nstrength = 50\n")
    hot.drop("damaged.tif", b"DAMAGED")
    hot.drop("bug.tif", b"RAISE")
    hot.drop("deadly.tif", b"KILL")
    hot.drop("line\nbreak.tif")
    hot.drop("x" * 250 + ".tif")
    hot.drop("-rf.tif")
    hot.drop("\udcff\udcfe.tif")
    hot.drop("%s{n}.tif")
    hot.drop("client/waits.tif")
    (hot.folder / "client/retouch.toml").write_text("strength = 400")
    process = hot.start()
    rows = {Path(r["file"]).name: r for r in settled(hot, 8)}

    assert rows["damaged.tif"]["reason"] == "damaged.tif does not decode: bad block; export it again"
    assert rows["bug.tif"]["state"] == rows["deadly.tif"]["state"] == "quarantined"
    assert rows["line\nbreak.tif"]["code"] == rows["x" * 250 + ".tif"]["code"] == "bad-name"
    for name in ("-rf", "\udcff\udcfe", "%s{n}"):
        assert (hot.folder / f"{name}-retouched.tif").exists()
    waits = wait_for(lambda: [r for r in hot.rows() if r["code"] == "settings"])
    assert "strength: found 400" in waits[0]["reason"]
    (hot.folder / "client/retouch.toml").write_text("strength = 40")
    hot.about("retry", hot.folder / "client/waits.tif")
    wait_result(hot, "client/waits-retouched.tif")
    assert stop(process) == 0
    plain = hot.about("list").stdout
    assert "line\\nbreak.tif" in plain
    assert all(line.isprintable() for line in plain.splitlines())


def test_a_photo_that_is_incomplete_waits_and_is_done_when_the_rest_arrives(hot: Hot) -> None:
    hot.drop("a.tif", b"INCOMPLETE")
    process = hot.start()
    wait_for(lambda: [r for r in hot.rows("settling") if r["code"] == "incomplete"])
    told = hot.about("why", hot.folder / "a.tif").stdout
    assert told.startswith("settling: a.tif is incomplete")
    hot.drop("a.tif", b"whole now")
    wait_result(hot, "a-retouched.tif")
    stop(process)


def test_sigterm_finishes_the_photo_in_work_and_a_second_one_does_not(hot: Hot) -> None:
    hot.drop("a.tif", b"SLEEP=1.5")
    process = hot.start()
    wait_for(lambda: hot.rows("running"))
    hot.drop("b.tif")
    assert stop(process) == 0
    assert results(hot) == ["a-retouched.tif"]

    hot.drop("c.tif", b"SLEEP=60")
    process = hot.start()
    wait_for(lambda: any(r["file"].endswith("c.tif") for r in hot.rows("running")))
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: '"event": "stopping"' in hot.log().split("started")[-1])
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert [Path(r["file"]).name for r in hot.rows("queued")] == ["c.tif"]


def test_sighup_takes_over_a_good_configuration_and_keeps_the_old_one_else(hot: Hot) -> None:
    process = hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    good = hot.config.read_text()
    hot.config.write_text(good + "\ncolour = 3\n")
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: "configuration kept" in hot.log())
    hot.drop("a.tif")
    wait_result(hot, "a-retouched.tif")

    more = hot.base / "more"
    more.mkdir()
    (more / "b.tif").write_bytes(b"x")
    hot.config.write_text(good + f'\n[[watch]]\npath = "{more}"\n')
    process.send_signal(signal.SIGHUP)
    wait_for((more / "b-retouched.tif").exists)
    assert stop(process) == 0


def test_systemd_is_told_in_ascii_and_ready_comes_after_the_engine(hot: Hot) -> None:
    address = hot.base / "notify"
    told: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        threading.Thread(
            target=lambda: told.extend(iter(lambda: systemd.recv(4096), b"end")), daemon=True
        ).start()
        hot.env |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"}
        hot.drop("Kraków_łąka.tif", b"SLEEP=0.5")
        process = hot.start()
        wait_result(hot, "Kraków_łąka-retouched.tif")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloaded" in hot.log())
        stop(process)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", str(address))
        wait_for(lambda: b"STATUS=stopped" in b"".join(told))

    text = b"\n".join(told).decode("ascii")
    lines = text.splitlines()
    kinds = [line.split("=")[0] for line in lines]
    assert kinds.index("READY") > lines.index("STATUS=loading the engine")
    assert "STATUS=1 waiting, 0 done, Krak\\xf3w_\\u0142\\u0105ka.tif: decode" in text.replace(
        "0 waiting", "1 waiting"
    )
    assert kinds.count("WATCHDOG") >= 2
    assert kinds.index("RELOADING") < len(kinds) - kinds[::-1].index("READY") - 1
    assert "MONOTONIC_USEC" in kinds
    assert kinds.index("EXTEND_TIMEOUT_USEC") < kinds.index("READY")
    assert "EXTEND_TIMEOUT_USEC" in kinds[kinds.index("STOPPING") - 3 :]
    assert kinds.index("STOPPING") > kinds.index("RELOADING")


@pytest.mark.parametrize("progress", [False, True])
def test_the_watchdog_starves_when_the_scanner_hangs(hot: Hot, *, progress: bool) -> None:
    """A timer of its own would keep a hung service alive: only progress feeds the watchdog.

    A look that makes progress does: a slow share had the service ended in the middle of each look.
    """
    address, hung, met = hot.base / "notify", hot.base / "hang", hot.base / "met"
    hang = (
        "import time, os\nfrom retouchd.watch import scanner\nreal = scanner.scan\n"
        "def scan(root, bounds, alive):\n"
        f"    while os.path.exists({str(hung)!r}):\n"
        f"        open({str(met)!r}, 'w').close()\n"
        f"        {'alive()' if progress else 'pass'}; time.sleep(0.05)\n"
        "    return real(root, bounds, alive)\nscanner.scan = scan"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(1.5)  # five times what is between two feedings
        hot.env |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "600000"}
        process = hot.start(before=hang)

        def told() -> bytes:
            try:
                return systemd.recv(4096)
            except TimeoutError:
                return b""

        wait_for(lambda: '"ready"' in hot.log())
        wait_for(lambda: told() == b"WATCHDOG=1")
        hung.touch()
        wait_for(met.exists)
        for _ in range(12 * progress):  # more than the socket holds of what was said before
            wait_for(lambda: told() == b"WATCHDOG=1")
        if not progress:
            wait_for(lambda: not told(), "the watchdog to starve")
        hung.unlink()
        wait_for(lambda: told() == b"WATCHDOG=1", "the watchdog to be fed again")
        stop(process)


def test_scratch_and_staging_may_be_links_to_a_larger_disk(hot: Hot) -> None:
    hot.state.mkdir()
    for name in ("scratch", "staging"):
        larger = hot.base / f"larger-{name}"
        (larger / "left" / "behind").mkdir(parents=True)
        (larger / "file").write_bytes(b"of a worker that was killed")
        (hot.state / name).symlink_to(larger)
    hot.drop("a.tif")
    process = hot.start()
    wait_result(hot, "a-retouched.tif")
    assert stop(process) == 0
    assert (hot.state / "scratch").is_symlink()
    assert [list((hot.base / f"larger-{name}").iterdir()) for name in ("scratch", "staging")] == [[], []]


def test_a_second_daemon_on_the_same_state_is_refused(hot: Hot) -> None:
    process = hot.start()
    wait_for(lambda: '"ready"' in hot.log())
    second = hot.start()
    assert second.wait(30) == 75
    assert "another retouchd uses" in hot.log()
    stop(process)


def test_two_daemons_on_one_folder_make_one_result(hot: Hot) -> None:
    for i in range(6):
        hot.drop(f"{i}.tif", f"photo {i} SLEEP=0.05".encode())
    first = hot.start()
    config = hot.base / "other.toml"
    config.write_text(hot.config.read_text().replace(str(hot.state), str(hot.base / "state2")))
    command = ["run", "--config", str(config), "--engine", "fake_engine:open_engine"]
    second = subprocess.Popen([sys.executable, "-m", "retouchd", *command], env=hot.env)
    hot.running.append(second)
    settled(hot, 6)
    wait_for(lambda: len(results(hot)) >= 6)
    assert stop(first) == stop(second) == 0
    assert results(hot) == [f"{i}-retouched.tif" for i in range(6)]


def test_an_engine_that_does_not_load_ends_the_service_with_its_reason(hot: Hot) -> None:
    done = hot.cli("run", "--config", hot.config, "--engine", "fake_engine:broken")

    assert done.returncode == 69
    assert "retouchd: the engine does not load: ImportError: no module named pixels" in done.stderr


def whole_sets(hot: Hot) -> dict[str, int]:
    """How many whole results each photo has; fails on a partial one."""
    found: dict[str, int] = {}
    for path in (hot.folder / naming.OWN_FOLDER).glob("*.json"):
        told = json.loads(path.read_bytes())
        for entry in told["outputs"].values():
            assert (hot.folder / entry["name"]).stat().st_size == entry["bytes"]
        found[told["source"]["name"]] = found.get(told["source"]["name"], 0) + 1
    return found


def kill_something(hot: Hot, process: subprocess.Popen[bytes], chance: random.Random) -> bool:
    """Kill the worker or the daemon; True when the daemon is gone."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if children and chance.random() < 0.5:
        os.kill(int(chance.choice(children)), signal.SIGKILL)
        return False
    process.kill()
    process.wait()
    return True


def test_kills_at_random_moments_leave_exactly_one_whole_result_each(hot: Hot) -> None:
    hot.configure(deaths=1000)
    names = [f"{i:02d}.tif" for i in range(30)]
    for name in names:
        hot.drop(name, b"SLEEP=0.02 " + name.encode())
    chance = random.Random(7)
    process = hot.start()
    for _ in range(14):
        try:
            process.wait(0.15 + chance.random() * 0.9)
        except subprocess.TimeoutExpired:
            if kill_something(hot, process, chance):
                process = hot.start()
    rows = settled(hot, len(names))
    assert stop(process) == 0

    assert {r["state"] for r in rows} == {"done"}
    assert whole_sets(hot) == dict.fromkeys(names, 1)
    assert results(hot) == [f"{name[:2]}-retouched.tif" for name in names]
    assert [p for p in hot.folder.rglob("*") if naming.is_part(p.name)] == []
    assert list((hot.state / "staging").iterdir()) == []
