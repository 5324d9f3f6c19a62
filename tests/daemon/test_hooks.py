"""Telling other programs: hooks that run nothing else, hold nobody up, and get what the README says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot, wait_for

from retouchd import config, doctor, hooks
from retouchd.config.settings import HookSettings
from retouchd.hooks import Hooks

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")

NOTE = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read())"


def noting(path: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", NOTE, str(path))


def turn(hooks: Hooks, *, idle: bool = True) -> None:
    for _ in range(200):
        hooks.step(idle=idle)
        if not hooks._running and not hooks._waiting:
            return
        time.sleep(0.02)


def test_hooks_get_json_on_their_input_and_names_are_never_words_of_a_command(tmp_path: Path) -> None:
    note, now = tmp_path / "note", [0.0]
    settings = HookSettings(
        on_done=noting(note), on_failed=noting(note), on_batch_idle=noting(note), idle_s=10
    )
    hooks = Hooks(settings, lambda: now[0])
    name = "$(touch pwned)\n; `id`\udcff.tif"
    hooks.done({"file": name})
    turn(hooks)
    hooks.failed({"file": "b"})
    now[0] = 9.0
    turn(hooks)
    now[0] = 20.0
    hooks.step(idle=False)  # work is left: no end of a batch
    now[0] = 31.0
    turn(hooks)
    now[0] = 99.0
    turn(hooks)

    told = [json.loads(line) for line in note.read_bytes().splitlines()]
    assert [t["event"] for t in told] == ["done", "failed", "batch_idle"]
    assert told[0]["file"] == name
    assert told[2] == {"event": "batch_idle", "done": 1, "failed": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["note"]


def test_hooks_that_hang_fail_or_do_not_exist_hold_nobody_up() -> None:
    now = [0.0]
    hooks = Hooks(HookSettings(on_done=("sleep", "600"), seconds=5), lambda: now[0])
    for _ in range(20):
        hooks.done({})
    began = time.monotonic()
    hooks.step(idle=True)
    assert len(hooks._running) == 4
    pids = [r.process for r in hooks._running]
    now[0] = 6.0
    hooks.step(idle=True)
    assert all(p.returncode == -9 for p in pids)
    for words in (("/no/such/program",), ("false",)):
        hooks.settings = HookSettings(on_done=words)
        hooks._waiting.clear()
        hooks.done({})
        hooks.step(idle=True)
    hooks.close()
    assert time.monotonic() - began < 30


def configured(hot: Hot, note: Path, idle_s: float = 1.0) -> None:
    """A configuration whose hooks write down what they are told."""
    words = json.dumps(noting(note))
    hot.configure(
        more=f"[hooks]\non_done = {words}\non_failed = {words}\non_batch_idle = {words}\nidle_s = {idle_s}\n"
    )


def told_in(note: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in note.read_bytes().splitlines()] if note.exists() else []


def test_the_facts_are_those_of_the_readme(hot: Hot) -> None:
    note = hot.base / "note"
    configured(hot, note)
    hot.drop("a.tif")
    hot.drop("b.tif", b"DAMAGED")
    process = hot.start()
    wait_for(lambda: "batch_idle" in {t["event"] for t in told_in(note)})
    process.terminate()
    assert process.wait(60) == 0
    assert "on_done" not in hot.log()
    rows = re.findall(r"^\| `(on_\w+)` \| `(\w+)` \| (.+) \|$", README, re.MULTILINE)
    assert [f"on_{event}" for _, event, _ in rows] == [hook for hook, _, _ in rows]
    promised = {event: set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", words))) for _, event, words in rows}
    assert promised == {t["event"]: t.keys() - {"event"} for t in told_in(note)}

    done, failed, idle = sorted(told_in(note), key=lambda t: list(promised).index(t["event"]))
    assert (done["file"], done["result"]) == (str(hot.folder / "a.tif"), str(hot.folder / "a-retouched.tif"))
    assert (done["state"], done["summary"], done["adopted"]) == ("done", "1 healed", False)
    (counts,) = re.findall(r"`counts` \((.+?): numbers\)", README)
    assert set(re.findall(r"`(\w+)`", counts)) == done["counts"].keys()
    assert done["counts"]["healed"] == 1
    assert (failed["state"], failed["code"]) == ("skipped", "damaged")
    assert (idle["done"], idle["failed"]) == (1, 1)


@pytest.mark.parametrize("odd", [{}, {"file": 2, "event": 3, "xmp": 4}])
def test_a_photo_that_was_done_before_is_told_as_adopted(hot: Hot, odd: dict[str, int]) -> None:
    """And what a record counts that others wrote ends no service: it is words of a log line."""
    note = hot.base / "note"
    hot.drop("a.tif")
    process = hot.start()
    wait_for(lambda: hot.rows("done"))
    process.terminate()
    process.wait(60)
    for path in hot.state.glob("journal*"):
        path.unlink()
    told = json.loads((record := hot.folder / "_retouchd/a.json").read_bytes())
    told["counts"] |= odd
    told["outputs"] |= odd
    record.write_text(json.dumps(told))
    configured(hot, note)
    process = hot.start()
    (done,) = wait_for(lambda: told_in(note) or process.poll())
    assert (done["event"], done["adopted"]) == ("done", True)
    assert not done["counts"].keys() & odd.keys()


REFUSED = (
    "from retouchd.results import publish\nfrom retouchd.errors import NameRefused\n"
    "def no(parcel): raise NameRefused(parcel.source, 'a colon')\n"
    "publish.publish = no"
)


def test_a_photo_whose_result_is_refused_by_the_disk_is_a_failure(hot: Hot) -> None:
    note = hot.base / "note"
    configured(hot, note)
    hot.drop("a.tif")
    hot.start(before=REFUSED)
    first = wait_for(lambda: told_in(note))[0]
    assert (first["event"], first["state"], first["code"]) == ("failed", "skipped", "bad-name")


def test_a_drain_tells_of_the_batchs_end_and_waits_for_who_is_told(hot: Hot) -> None:
    note = hot.base / "note"
    slow = f"import sys, time; time.sleep(4); {NOTE.removeprefix('import sys; ')}"
    words = json.dumps([sys.executable, "-c", slow, str(note)])
    hot.configure(more=f"[hooks]\non_batch_idle = {words}\nidle_s = 3600\n")
    hot.drop("a.tif")
    process = hot.start()
    wait_for(lambda: hot.rows("done"))
    assert hot.about("drain").returncode == 0
    assert process.wait(60) == 0
    assert told_in(note) == [{"event": "batch_idle", "done": 1, "failed": 0}]


def test_what_nobody_was_told_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, logged: list[MutableMapping[str, Any]]
) -> None:
    monkeypatch.setattr(hooks, "_LAST_S", 0.1)
    kept = Hooks(HookSettings(on_done=("sleep", "600")))
    kept._waiting = type(kept._waiting)(maxlen=5)
    for _ in range(6):
        kept.done({})
    kept.close()
    assert [(line["event"], line.get("waiting")) for line in logged] == [
        ("hook not called", None),
        ("hooks not called", 1),
    ]


class InTheKernel:
    """A command that no signal ends: it reads from a share that is away."""

    pid, returncode = 1 << 30, None

    def poll(self) -> None:
        return None

    def wait(self, timeout: float) -> None:
        raise subprocess.TimeoutExpired("cat", timeout)


def test_a_command_that_cannot_be_killed_holds_nobody_up() -> None:
    kept = Hooks(HookSettings(on_done=("true",)))
    kept._running = [hooks._Running("on_done", InTheKernel(), 0.0)]  # type: ignore[arg-type]
    kept.step(idle=True)
    assert kept._running == []


@pytest.mark.parametrize(
    ("program", "found", "well"),
    [
        (sys.executable, sys.executable, True),
        ("sh", "sh", True),
        ("/no/such/program", "not there", False),
        (__file__, "not executable", False),
        ("bin/told.sh", "no full path", False),
        ("", "not there", False),
    ],
)
def test_doctor_tells_which_hook_cannot_be_started(
    tmp_path: Path, program: str, found: str, *, well: bool
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[hooks]\non_done = {json.dumps([program])}\n")
    (finding,) = doctor._hooks(config.load(path))
    assert (finding.subject, finding.well) == ("hook on_done", well)
    assert found in finding.found
