"""A dead share that is mounted hard holds whoever touches it: nobody but the thread that asks does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from tests.daemon.conftest import PATIENCE_S, Hot, wait_for
from tests.daemon.test_journal import Clock, clock, journal
from tests.daemon.test_nas import end

from retouchd import actions, config, doctor, knock
from retouchd.config import Settings, Watch
from retouchd.errors import TimeLimit
from retouchd.jobs import Failure, InstanceId, Outcome, Signature, State
from retouchd.mounts import Mount
from retouchd.state.journal import Journal
from retouchd.watch import scanner
from retouchd.watch.intake import Intake
from retouchd.watch.roots import Root, probed
from retouchd.work.desk import Desk
from retouchd.work.dispatch import Dispatcher
from retouchd.work.room import Room

__all__ = ["clock", "journal"]
DEAD = """
import os, time
from retouchd import knock
knock.PATIENCE_S = 0.5
is_back = os.path.exists
def hanging(real):
    def ask(path=".", *more, **named):
        below = not isinstance(path, int) and os.fsdecode(path).startswith({dead!r})
        while below and not is_back({back!r}):
            time.sleep(0.05)
        return real(path, *more, **named)
    return ask
for name in ("stat", "lstat", "statvfs", "scandir", "open", "readlink"):
    setattr(os, name, hanging(getattr(os, name)))
"""
"""Every question below a folder waits until a file is there."""


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No disk answers until this is set."""
    answers, real = threading.Event(), os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        answers.wait()
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(knock, "PATIENCE_S", 0.1)
    yield answers
    answers.set()


def test_a_question_without_an_answer_is_not_asked_twice(silent: threading.Event, tmp_path: Path) -> None:
    before = threading.active_count()
    one = knock.at(tmp_path)
    assert not any(one.answered() for _ in range(5))
    assert threading.active_count() == before + 1

    silent.set()
    wait_for(lambda: threading.active_count() == before)
    assert one.answered()


def test_who_always_answers_late_is_not_waited_for_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(knock, "_MOMENT_S", 0.0)
    waits, may_answer = [], threading.Event()

    def join(_: threading.Thread, timeout: float | None = None) -> None:
        waits.append(timeout)

    def slowly() -> None:
        may_answer.wait()
        time.sleep(0.3)

    monkeypatch.setattr(threading.Thread, "join", join)
    one = knock.Knock(slowly)
    assert not one.answered()
    monkeypatch.setattr(knock, "PATIENCE_S", 0.2)
    may_answer.set()
    wait_for(lambda: not one.is_open)
    assert not one.answered()
    assert [bool(seconds) for seconds in waits] == [True, False]

    wait_for(lambda: not one.is_open)
    one._ask = lambda: None
    wait_for(one.answered)


def test_a_folder_that_is_not_there_answers(tmp_path: Path) -> None:
    assert knock.at(tmp_path / "none").answered()


def test_where_no_thread_can_be_had_nothing_is_said_of_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert knock.at(tmp_path).answered()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_root_that_does_not_answer_is_offline_until_it_does(
    silent: threading.Event, tmp_path: Path, *, mirrored: bool
) -> None:
    place = {"output": f"mirror:{tmp_path / 'mirror'}"} if mirrored else {}
    (tmp_path / "hot").mkdir()
    (tmp_path / "mirror").mkdir()
    root = Root(Watch.model_validate({"path": str(tmp_path / "hot")} | place))
    root.ask()
    root.check(list)
    assert root.offline == f"{tmp_path / 'hot'} does not answer"
    silent.set()

    def is_well() -> bool:
        root.ask()
        root.check(list)
        return not root.offline

    wait_for(is_well)


@pytest.mark.parametrize("settings", [{}, {"recursive": False}, {"ignore": ["nas"]}])
def test_a_share_below_a_watched_folder_is_asked_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Each start of the service hung over it anew, until systemd's watchdog ended that."""
    asked: list[Path] = []
    is_back, below = threading.Event(), tmp_path / "nas"

    def statvfs(path: Path) -> None:
        asked.append(path)
        if path == below:
            is_back.wait()

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(knock, "PATIENCE_S", 0.1)
    root, looked_into = Root(Watch.model_validate({"path": str(tmp_path)} | settings)), not settings

    def offline() -> str:
        root.ask()
        root.check(lambda: [Mount(below, "nfs4", "nas:/photos"), Mount(tmp_path / "disk", "ext4", "b")])
        return root.offline

    assert [offline(), offline()] == [f"{below} does not answer" * looked_into] * 2
    assert set(asked) == {tmp_path, below} if looked_into else {tmp_path}
    is_back.set()
    wait_for(lambda: not offline())


def test_a_share_that_did_not_answer_is_asked_again_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, journal: Journal, clock: Clock
) -> None:
    """It was left for twenty times as long as had been waited for it: back, it lay idle for minutes."""
    settings = Settings.model_validate({"watch": [{"path": str(tmp_path)}]})
    intake = Intake(settings, journal, clock=clock, table=list)

    def waited_in_vain(_: knock.Knock) -> bool:
        clock.now += knock.PATIENCE_S
        return False

    monkeypatch.setattr(knock.Knock, "came", waited_in_vain)
    intake.look()
    assert intake.roots[tmp_path].offline
    assert intake.next_due_s() - clock.now == settings.scan.interval_local_s


def test_progress_is_told_before_each_wait_for_shares_that_may_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, journal: Journal, clock: Clock
) -> None:
    """Twelve shares that died in turn were waited for until systemd's watchdog ended the service."""
    told: list[str] = []
    watches = [{"path": str(tmp_path / name)} for name in "abc"]
    settings = Settings.model_validate({"watch": watches})
    intake = Intake(settings, journal, clock=clock, table=list, alive=lambda: told.append("alive"))

    def in_vain(_: knock.Knock) -> bool:
        told.append("silent")
        return False

    monkeypatch.setattr(knock.Knock, "came", in_vain)
    intake.look()
    assert told == ["alive", "silent"] * 3


def only_together(monkeypatch: pytest.MonkeyPatch, holder: Any, name: str, folders: Collection[Path]) -> None:
    """From now on all of these folders have to be asked before an answer is waited for."""
    real, asked, all_asked = getattr(holder, name), set(), threading.Event()
    came = knock.Knock.came

    def ask(path: Path, *more: Any, **named: Any) -> Any:
        if path in folders:
            asked.add(path)
            if asked == set(folders):
                all_asked.set()
        return real(path, *more, **named)

    def wait(one: knock.Knock) -> bool:
        assert all_asked.wait(PATIENCE_S), f"only {asked} were asked"
        return came(one)

    monkeypatch.setattr(holder, name, ask)
    monkeypatch.setattr(knock.Knock, "came", wait)


@pytest.fixture
def shares(tmp_path: Path) -> list[Path]:
    """The folders of one NAS."""
    found = [tmp_path / name for name in "abc"]
    for path in found:
        path.mkdir()
    return found


def watching(folders: Collection[Path]) -> Settings:
    return Settings.model_validate({"watch": [{"path": str(path)} for path in folders]})


def test_settings_ask_all_their_folders_at_once(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], tmp_path: Path
) -> None:
    """18 folders of one dead NAS, ten seconds each: systemd took the start for failed."""
    first, *mirrors = shares
    path, watch = tmp_path / "config.toml", [tmp_path / f"hot {mirror.name}" for mirror in mirrors]
    both = zip(watch, mirrors, strict=True)
    blocks = [f'[[watch]]\npath = "{w}"\noutput = "mirror:{m}"\n' for w, m in both]
    path.write_text(f'state_dir = "{first}"\n' + "".join(blocks))
    only_together(monkeypatch, os.path, "realpath", [*shares, *watch])
    assert [w.path for w in config.load(path).watch] == watch


def test_a_person_who_names_a_folder_has_all_of_them_asked_at_once(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal
) -> None:
    only_together(monkeypatch, os.path, "realpath", shares)
    assert "paused" in actions.perform(watching(shares), journal, "pause", str(shares[-1]))


def test_folders_that_are_due_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal
) -> None:
    intake = Intake(watching(shares), journal, table=list)
    only_together(monkeypatch, os, "statvfs", shares)
    intake.look()
    assert not [root.offline for root in intake.roots.values() if root.offline]


def test_doctor_asks_all_folders_at_once(monkeypatch: pytest.MonkeyPatch, shares: list[Path]) -> None:
    only_together(monkeypatch, os, "statvfs", shares)
    assert not [root.offline for root in probed(watching(shares).watch, list) if root.offline]


def test_after_a_long_look_those_still_due_are_asked_at_once_again(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal, clock: Clock
) -> None:
    """A NAS that died meanwhile was waited for once for each of its folders."""
    first, *others = shares
    intake, scan = Intake(watching(shares), journal, clock=clock, table=list), scanner.scan

    def for_long(root: bytes, *more: Any) -> scanner.Found:
        if root == os.fsencode(first):
            wait_for(lambda: not any(intake.roots[one].knocks[one].is_open for one in others))
            clock.now += knock.PATIENCE_S
            only_together(monkeypatch, os, "statvfs", others)
        return scan(root, *more)

    monkeypatch.setattr(scanner, "scan", for_long)
    intake.look()
    assert not [root.offline for root in intake.roots.values() if root.offline]


def test_a_question_that_cannot_be_asked_says_so() -> None:
    def wrong() -> None:
        raise ValueError("no such question")

    one = knock.Knock(wrong)
    with pytest.raises(ValueError, match="no such question"):
        one.answered()


def test_results_on_a_dead_share_are_not_asked_for(
    silent: threading.Event, tmp_path: Path, journal: Journal
) -> None:
    """Of a photo of the same bytes there, which a photo elsewhere was held up by."""
    mirror = tmp_path / "mirror"
    watch = {"path": str(tmp_path / "hot"), "output": f"mirror:{mirror}"}
    intake = Intake(Settings.model_validate({"watch": [watch]}), journal, table=list)
    assert intake.answers(mirror / "day")
    intake.look()
    assert not intake.answers(mirror / "day")
    assert intake.answers(tmp_path / "other")
    silent.set()
    wait_for(lambda: intake.answers(mirror / "day"))


def test_a_mirror_is_looked_at_while_one_of_those_who_share_it_is_there(
    tmp_path: Path, journal: Journal
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "mirror").mkdir()
    place = {"output": f"mirror:{tmp_path / 'mirror'}"}
    both = [{"path": str(tmp_path / name)} | place for name in ("there", "gone")]
    intake = Intake(Settings.model_validate({"watch": both}), journal, table=list)
    assert not intake.well(tmp_path / "mirror/day")
    intake.look()
    assert intake.roots[tmp_path / "gone"].offline
    assert intake.well(tmp_path / "mirror/day")


def test_doctor_does_not_ask_a_dead_share_again(silent: threading.Event, tmp_path: Path) -> None:
    settings = Settings.model_validate({"watch": [{"path": str(tmp_path)}]})
    found = []
    for finding in doctor.examine(settings):
        found.append(finding.subject)
        if finding.subject == "state folder":
            break
    assert f"watched {tmp_path}" in found
    assert f"room in {tmp_path}" not in found
    assert not silent.is_set()


def test_settings_that_name_a_dead_share_are_read(
    monkeypatch: pytest.MonkeyPatch, silent: threading.Event, hot: Hot
) -> None:
    real = os.path.realpath

    def realpath(path: Path) -> str:
        if path == hot.folder:
            silent.wait()
        return real(path)

    monkeypatch.setattr(os.path, "realpath", realpath)
    assert config.load(hot.config).watch[0].path == hot.folder


def test_one_dead_share_keeps_no_other_folder_waiting(hot: Hot) -> None:
    """The whole service stood still; what systemd's watchdog started in its place hung over the settings."""
    dead, back = hot.base / "dead", hot.base / "back"
    hot.config.write_text(
        hot.config.read_text().replace("[[watch]]", f'[[watch]]\npath = "{dead}"\n[[watch]]', 1)
    )
    dead.mkdir()
    (dead / "b.tif").write_bytes(b"of the other")
    end_of_first = hot.start()
    wait_for((dead / "b-retouched.tif").exists)
    end(end_of_first)

    process = hot.start(before=DEAD.format(dead=str(dead), back=str(back)))
    hot.drop("a.tif")
    wait_for((hot.folder / "a-retouched.tif").exists, hot.log())
    wait_for(lambda: f"{dead}: offline, {dead} does not answer" in hot.about("status").stdout)
    assert f"paused: {hot.folder}" in hot.about("pause", hot.folder).stdout
    assert "resumed" in hot.about("resume", hot.folder).stdout
    (dead / "c.tif").write_bytes(b"late")
    back.touch()
    wait_for((dead / "c-retouched.tif").exists, hot.log())
    end(process)


def beside_a_dead_share(
    hot: Hot, dead: Path, command: str, *words: str | Path
) -> subprocess.CompletedProcess[str]:
    """A command while nothing below a folder ever answers."""
    before = DEAD.format(dead=str(dead), back=str(hot.base / "back"))
    main = f"{before}\nfrom retouchd.__main__ import main\nmain()"
    asked = [sys.executable, "-c", main, command, *map(str, words)]
    return subprocess.run(
        asked, env=hot.env, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=hot.base
    )


def test_commands_about_settings_say_which_folder_does_not_answer(hot: Hot) -> None:
    """They hung, and nobody knew over which of eighteen."""
    dead, out = hot.base / "dead", hot.base / "new.toml"
    note = f"note: {dead} does not answer; the service waits until it does\n"
    named: list[str | Path] = ["--watch", hot.folder, "--watch", dead, "--state", hot.state, "--out", out]
    written = beside_a_dead_share(hot, dead, "init-config", *named)
    assert written.returncode == 0, written.stderr
    assert written.stdout.endswith(note)
    checked = beside_a_dead_share(hot, dead, "check-config", "--config", out)
    assert checked.returncode == 0, checked.stderr
    assert " is fine: 2 watched" in checked.stdout
    assert checked.stdout.endswith(f"\n{note}")


def test_a_mirror_that_does_not_answer_is_named(hot: Hot) -> None:
    dead = hot.base / "dead"
    hot.config.write_text(
        hot.config.read_text().replace("[[watch]]", f'[[watch]]\noutput = "mirror:{dead}"', 1)
    )
    checked = beside_a_dead_share(hot, dead, "check-config", "--config", hot.config)
    assert f"note: {dead} does not answer" in checked.stdout


def test_why_is_answered_for_photos_on_a_dead_share(hot: Hot) -> None:
    photo = hot.drop("a.tif")
    process = hot.start()
    wait_for(lambda: hot.rows("done"))
    end(process)
    for name, answer in (
        ("a.tif", f"; where its result lies: {hot.folder} does not answer"),
        ("none.tif", f"not seen: {hot.folder} does not answer"),
    ):
        told = beside_a_dead_share(hot, hot.folder, "why", photo.with_name(name), "--config", hot.config)
        assert answer in told.stdout, told.stderr


def test_a_share_that_died_since_the_last_look_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal, clock: Clock
) -> None:
    """It held the whole service, until it answered or systemd's watchdog ended that."""
    dead, other = shares[0], shares[1]
    intake = Intake(watching(shares), journal, clock=clock, table=list)
    intake.look()
    assert all(map(intake.well, shares))
    clock.now += 2.0
    is_back, real = threading.Event(), os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        if path == dead:
            is_back.wait()
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(knock, "PATIENCE_S", 0.1)
    assert [intake.well(folder) for folder in (dead / "day", other / "day")] == [False, True]
    assert [intake.there(os.fsencode(folder)) for folder in (dead, other)] == [False, True]
    assert os.fsencode(dead) not in intake.online()
    assert {r.state for r in journal.roots() if r.path == os.fsencode(dead)} == {"offline"}
    is_back.set()
    clock.now = intake.next_due_s()

    def is_online() -> bool:
        clock.now += 60
        intake.look()
        return intake.there(os.fsencode(dead))

    wait_for(is_online)
    assert intake.well(dead / "day")


def test_a_slow_share_keeps_no_photo_of_another_waiting(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal, clock: Clock
) -> None:
    """A NAS that took five seconds to answer held the photos of all folders for five of every six."""
    slow, *others = shares
    intake = Intake(watching(shares), journal, clock=clock, table=list)
    intake.look()
    asked: list[Path] = []
    waited_for, came = [], knock.Knock.came

    def wait(one: knock.Knock) -> bool:
        waited_for.append(one)
        return came(one)

    monkeypatch.setattr(os, "statvfs", asked.append)
    monkeypatch.setattr(knock.Knock, "came", wait)
    assert all(intake.there(os.fsencode(folder)) for folder in others)
    wait_for(lambda: slow in asked)
    assert waited_for == [intake.roots[folder].knocks[folder] for folder in others]


def test_a_folder_is_asked_once_before_a_look(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal, clock: Clock
) -> None:
    """A NAS that took five seconds to answer held each look for ten."""
    asked: list[Path] = []
    monkeypatch.setattr(os, "statvfs", asked.append)
    Intake(watching(shares), journal, clock=clock, table=list).look()
    assert sorted(asked) == shares


def test_who_looks_for_corrections_waits_for_a_dead_nas_once(
    monkeypatch: pytest.MonkeyPatch, shares: list[Path], journal: Journal, clock: Clock
) -> None:
    intake = Intake(watching(shares), journal, clock=clock, table=list)
    intake.look()
    only_together(monkeypatch, os, "statvfs", shares)
    assert all(map(intake.well, shares))


def test_their_root_is_not_asked_anew_for_each_of_many_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, journal: Journal, clock: Clock
) -> None:
    intake = Intake(watching([tmp_path]), journal, clock=clock, table=list)
    intake.look()
    asked, real = [], os.statvfs

    def statvfs(path: Path) -> os.statvfs_result:
        asked.append(path)
        return real(path)

    monkeypatch.setattr(os, "statvfs", statvfs)
    assert all(intake.well(tmp_path / str(number)) for number in range(2000))
    assert len(asked) < 5


def dispatching(
    top: Path, journal: Journal, there: Callable[[bytes], bool], heard: Callable[[], list[Any]]
) -> Dispatcher:
    keeper = Mock(ready=True, busy=False, outdated=False, quiet_s=0.0, poll=heard)
    crew: Any = SimpleNamespace(keepers=[keeper], everybody=[keeper], plan=Mock())
    crew.plan.stock.names = ()
    online, me = (lambda: [os.fsencode(top)]), InstanceId("me")
    desk = Desk(journal, crew, me, top / "state", Room(top), online, lambda _: None, there=there)
    return Dispatcher(watching([top]), desk)


def test_photos_of_a_share_that_does_not_answer_are_not_taken_in_hand(
    tmp_path: Path, journal: Journal
) -> None:
    root = os.fsencode(tmp_path)
    for name in ("queued.tif", "rendered.tif"):
        journal.see(os.fsencode(tmp_path / name), root, Signature(0, 0, 0, 0, 0), "")
    for row, state in zip(journal.listed(), (State.QUEUED, State.RENDERED), strict=True):
        journal.save(replace(row, state=state))
    asked: list[bytes] = []

    def there(key: bytes) -> bool:
        asked.append(key)
        return False

    assert not dispatching(tmp_path, journal, there, list).step()
    assert asked == [root, root]
    assert [row.state for row in journal.listed()] == [State.QUEUED, State.RENDERED]


@pytest.mark.parametrize("answers", [True, False])
def test_a_worker_that_stood_still_over_a_dead_share_counts_against_no_photo(
    tmp_path: Path, journal: Journal, *, answers: bool
) -> None:
    """A NAS that died in the middle of the same photo twice had it set aside."""
    photo, alive, root = tmp_path / "a.tif", [True], os.fsencode(tmp_path)
    photo.write_bytes(b"photo")
    outcome = Outcome(failure=Failure.of(TimeLimit(900)))
    heard: list[Any] = []
    dispatcher = dispatching(tmp_path, journal, lambda _: alive[0], lambda: heard)
    journal.see(os.fsencode(photo), root, Signature.of(photo.lstat()), "")
    (row,) = journal.listed()
    journal.save(replace(row, state=State.QUEUED))
    assert dispatcher.step()
    assert journal.listed((State.RUNNING,))
    alive[0] = answers
    heard.append(outcome)
    dispatcher.step()
    (row,) = journal.listed((State.RETRY,))
    assert (row.code, row.deaths) == (("time-limit", 1) if answers else ("folder", 0))


@pytest.mark.parametrize(("quiet_s", "answers"), [(1000.0, False), (1000.0, True), (1.0, False)])
def test_a_worker_that_waits_for_a_dead_share_is_freed(
    tmp_path: Path, journal: Journal, quiet_s: float, *, answers: bool
) -> None:
    """All other folders waited with it, until the photo's time was up."""
    photo, alive = tmp_path / "a.tif", [True]
    photo.write_bytes(b"photo")
    dispatcher = dispatching(tmp_path, journal, lambda _: alive[0], list)
    journal.see(os.fsencode(photo), os.fsencode(tmp_path), Signature.of(photo.lstat()), "")
    (row,) = journal.listed()
    journal.save(replace(row, state=State.QUEUED))
    assert dispatcher.step()
    ((keeper, _),) = dispatcher.current
    keeper.quiet_s, alive[0] = quiet_s, answers  # type: ignore[misc]
    dispatcher.step()
    assert cast("Mock", keeper.let_go).called is (quiet_s > 60 and not answers)
