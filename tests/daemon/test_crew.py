"""A worker for each card: real processes, and cards that a program on the path pretends to have."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.conftest import Hot, environment, wait_for
from tests.engine.models.networks import network_model

from retouch_engine import Stock
from retouchd import doctor
from retouchd.config import Settings
from retouchd.config.weights import ModelSettings
from retouchd.work import gpu
from retouchd.work.crew import ANY_CARD, NO_CARD, Crew, cards_of
from retouchd.work.gpu import Card
from retouchd.work.supervisor import WorkerPlan

FAKE = "fake_engine:open_engine"
CARDS = [Card(n, "a card", 0, 24_000_000_000, 0.0) for n in range(3)]
SMI = """#!/bin/sh
# Cards 0 and 1: 24 GB and 2 GB are free, of 24 GB each.
case "$*" in
*index,name*) printf '0, Card A, 24, 24576, 3\\n1, Card B, 22000, 24576, 90\\n' ;;
*--id=0*) echo '23000, Card A' ;;
*--id=1*) echo '2000, Card B' ;;
*) printf '23000, Card A\\n2000, Card B\\n' ;;
esac
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cards, as far as anybody who asks the driver's tool can tell."""
    path = tmp_path / "bin/nvidia-smi"
    path.parent.mkdir()
    path.write_text(SMI)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    return path.parent


@pytest.fixture
def lama(tmp_path: Path) -> Stock:
    pytest.importorskip("onnxruntime", reason="the extra 'cpu' is not installed")
    return Stock((network_model("lama", tmp_path / "lama", sane=True),))


@pytest.fixture
def crew(smi: Path) -> Iterator[Callable[..., Crew]]:
    made: list[Crew] = []

    def make(*cards: str, **plan: Any) -> Crew:
        made.append(Crew(WorkerPlan(FAKE, **plan), 30.0, cards))
        return made[-1]

    yield make
    for one in made:
        one.kill()
        one.stop()


def until(crew: Crew, condition: Callable[[], Any]) -> list[Any]:
    heard: list[Any] = []
    while not condition():
        crew.renew()
        crew.keep_running()
        select.select(crew.fds, [], [], 0.1)
        heard += [message for keeper in crew.everybody for message in keeper.poll()]
    return heard


def about(crew: Crew) -> dict[str, dict[str, str]]:
    """By card, what its worker says of itself."""
    until(crew, lambda: crew.ready)
    told: dict[str, dict[str, str]] = {}
    for keeper in crew.keepers:
        keeper.send({"op": "about"})
        while keeper.busy:
            select.select(crew.fds, [], [], 0.1)
            for message in keeper.poll():
                if isinstance(message, dict) and "about" in message:
                    told[keeper.plan.card] = message["about"]
    return told


@pytest.mark.parametrize(
    ("environment", "wanted", "expected"),
    [
        (None, (), ("0", "1", "2")),
        (None, (2, 0), ("0", "2")),
        (None, (7,), ()),
        ("2,0", (), ("2", "0")),
        ("2,0", (0,), ("0",)),
        ("GPU-4f1b-9,1", (), ("GPU-4f1b-9", "1")),
        ("", (), ()),
        ("-1", (), ()),
    ],
)
def test_which_cards_there_are_to_use(
    environment: str | None, wanted: tuple[int, ...], expected: tuple[str, ...]
) -> None:
    assert gpu.visible(CARDS, environment, wanted) == expected


def test_cards_get_workers_only_where_a_model_could_use_them(
    smi: Path, lama: Stock, logged: list[MutableMapping[str, Any]]
) -> None:
    def settings(**models: object) -> Settings:
        return Settings(models=ModelSettings.model_validate(models))

    assert cards_of(settings(), lama) == ("0", "1")
    assert cards_of(settings(cards=[1]), lama) == ("1",)
    assert logged == []
    assert cards_of(settings(cards=[5]), lama) == NO_CARD
    assert [line["event"] for line in logged] == ["cards not found"]
    assert cards_of(settings(), Stock()) == ANY_CARD
    assert cards_of(settings(budget_gb=0), lama) == ANY_CARD


def test_each_worker_sees_its_own_card_and_no_other(crew: Callable[..., Crew]) -> None:
    told = about(crew("0", "1"))
    assert [a["cards"] for a in told.values()] == ["0 by PCI_BUS_ID", "1 by PCI_BUS_ID"]
    assert len({a["pid"] for a in told.values()}) == 2
    assert [a["cards"] for a in about(crew("")).values()] == ["all by default"]


def test_each_worker_plans_for_its_own_card(smi: Path, lama: Stock, tmp_path: Path) -> None:
    """The real engine, through the doctor's eyes: 24 GB beside 2 GB."""
    store = tmp_path / "none"
    settings = Settings(models=ModelSettings(folder=str(store)))
    told = {}
    for card in ("0", "1"):
        plan = WorkerPlan(stock=lama, card=card)
        told[card] = {f.subject: f.found for f in doctor._engine(plan)}
    assert told["0"]["engine on card 0: plan"] == "24 GB"
    assert told["1"]["engine on card 1: plan"] == "2 GB"
    assert "Card A, 24.1 GB to use" in " ".join(told["0"].values())
    assert "Card B, 2.1 GB to use" in " ".join(told["1"].values())
    assert cards_of(settings, Stock()) == ANY_CARD


def test_one_that_does_not_load_leaves_the_others_at_work(crew: Callable[..., Crew]) -> None:
    made = crew("0", "1")
    made.keepers[1].plan = WorkerPlan("fake_engine:broken", card="1")
    until(made, lambda: made.ready and made.keepers[1].failures)
    assert made.failures == 0
    assert made.why_not_ready == "ImportError: no module named pixels"


def test_a_new_plan_waits_for_the_photo_in_hand_and_spares_who_has_it_already(
    crew: Callable[..., Crew], tmp_path: Path
) -> None:
    made = crew("0", "1", "2")
    until(made, lambda: made.ready)
    first, second, third = made.keepers
    pids = [k.pid for k in made.keepers]
    (tmp_path / "slow").write_bytes(bytes(40 << 20))
    third.send({"op": "digest", "source": str(tmp_path / "slow")})
    made.replan(WorkerPlan(FAKE, max_megapixels=9.0), 30.0, ("0", "1"))
    assert made.everybody == [first, second, third]
    assert [k.outdated for k in made.keepers] == [True, True]
    heard = until(made, lambda: len(made.everybody) == 2 and made.ready and not first.outdated)
    assert any(isinstance(m, dict) and m["event"] == "digest" for m in heard)
    assert {first.pid, second.pid}.isdisjoint(pids)
    assert third.pid is None
    made.replan(WorkerPlan(FAKE, max_megapixels=9.0), 30.0, ("0", "1"))
    assert not any(k.outdated for k in made.keepers)


def test_it_is_ready_when_nobody_loads_any_more(crew: Callable[..., Crew]) -> None:
    made = crew("0", "1")
    first, second = made.keepers
    first.ready = True
    assert not made.ready, "the service would say so, and half of the cards stand idle"
    second.failures = 1
    assert made.ready


def test_a_worker_keeps_its_photo_and_gets_the_new_time_limit(crew: Callable[..., Crew]) -> None:
    made = crew("0")
    until(made, lambda: made.ready)
    (only,) = made.keepers
    pid, only.busy = only.pid, True
    made.replan(WorkerPlan(FAKE, max_megapixels=9.0), 77.0, ("0",))
    made.renew()
    assert (only.outdated, only.pid, only.job_seconds) == (True, pid, 77.0)


@pytest.mark.parametrize("end", [Crew.stop, Crew.kill])
def test_who_goes_after_its_photo_is_heard_and_ends_with_the_rest(
    crew: Callable[..., Crew], end: Callable[[Crew], None]
) -> None:
    made = crew("0", "1")
    until(made, lambda: made.ready)
    leaving = made.keepers[1]
    leaving.busy = True
    made.replan(WorkerPlan(FAKE), 30.0, ("0",))
    assert leaving.fd in made.fds
    assert leaving.pid
    process = leaving.pid
    end(made)
    wait_for(lambda: leaving.pid is None or _ended(process))


def _ended(pid: int) -> bool:
    """Whether a child of ours has ended; it is a zombie until it is asked for."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _says(hot: Hot, what: str) -> bool:
    return what in hot.about("status").stdout


def test_two_cards_work_at_once_and_every_photo_is_done_once(
    hot: Hot, smi: Path, lama: Stock, tmp_path: Path
) -> None:
    """The whole daemon; the photos wait for each other, so that two have to be in work at the same time."""
    model = lama.models[0]
    (tmp_path / "big-lama-dynamic-fp32.onnx").write_bytes((model.folder / model.files[0]).read_bytes())
    hot.env |= {"PATH": f"{smi}:/usr/bin:/bin", "FAKE_CALLS": str(tmp_path / "calls")}
    hot.config.write_text(hot.config.read_text() + "[models]\nidle_s = 60\n")
    taken = hot.cli("models", "import", tmp_path / "big-lama-dynamic-fp32.onnx", "--config", hot.config)
    assert taken.returncode == 0, taken.stderr
    hot.start()
    for name in ("a", "b"):
        hot.drop(f"{name}.tif", b"MEET=" + str(tmp_path / "meeting").encode() + b" " + name.encode())
    wait_for(lambda: len(hot.rows("done")) == 2, f"both; log: {hot.log()}")
    met = sorted((tmp_path / "meeting").iterdir())
    assert [p.name for p in met] == ["a.tif", "b.tif"]
    assert sorted(p.read_text() for p in met) == ["0", "1"]
    assert sorted((tmp_path / "calls").read_text().split()) == ["a.tif", "b.tif"]
    for card in "01":
        wait_for(partial(_says, hot, f"card {card}: models: klein 9.0 MB, loaded 1, lent 2"))
