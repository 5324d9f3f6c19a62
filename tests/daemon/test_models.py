"""The model store: manifests, pulling from a hub on this machine, importing, and what is refused."""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.daemon.hub import COMMIT, ONNX, Hub, safetensors, serving

from retouchd import config
from retouchd.cli import cli
from retouchd.config import Settings
from retouchd.config.weights import ModelSettings
from retouchd.models import Manifest, Store, offer
from retouchd.models import errors as wrong
from retouchd.models.manifest import KnownFile

pytest.importorskip("huggingface_hub", reason="the extra 'models' is not installed")

from retouchd.models.pull import Wish, pull

SHA = hashlib.sha256(ONNX).hexdigest()
WHOLE = {
    "model_index.json": b"{}",
    "vae/config.json": b"{}",
    "vae/w.safetensors": safetensors(),
    "vae/old.bin": pickle.dumps({"a": 1}),
    "deep/er/w.safetensors": safetensors(),
}


def known(model_id: str, *files: KnownFile, **changes: object) -> Manifest:
    facts = {
        "id": model_id,
        "title": model_id,
        "healer": "lama",
        "repository": f"somebody/{model_id}",
        "revision": "main",
        "licence": "MIT",
        "commercial": True,
        "gated": False,
        "precision": "fp32",
        "rest_mb": 1,
        "peak_mb": 2,
        "file": files,
        **changes,
    }
    return Manifest.model_validate(facts)


PINNED = known("pinned", KnownFile(path="net.onnx", bytes=len(ONNX), sha256=SHA))
LOOSE = known(
    "loose", KnownFile(path="model_index.json"), KnownFile(path="*/*.json"), KnownFile(path="*/*.safetensors")
)
PAID = known(
    "paid", KnownFile(path="net.onnx"), commercial=False, gated=True, licence="LicenseRef-Not-For-Work"
)


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three small models instead of the real ones."""
    module = importlib.import_module("retouchd.models.manifest")
    monkeypatch.setattr(module, "_read", lambda: (LOOSE, PAID, PINNED))


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {
        "somebody/pinned": {"net.onnx": ONNX},
        "somebody/loose": dict(WHOLE),
        "somebody/paid": {"net.onnx": ONNX},
    }
    with serving(Hub(files, gated={"somebody/paid"})) as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def settings_for(store: Store, **models: object) -> Settings:
    return Settings(models=ModelSettings.model_validate({"folder": str(store.folder), **models}))


def test_a_pull_takes_what_the_manifest_wants_and_writes_a_receipt(hub: Hub, store: Store) -> None:
    receipt = pull(store, LOOSE, Wish(hub.endpoint))
    assert sorted(receipt.files) == ["model_index.json", "vae/config.json", "vae/w.safetensors"]
    assert receipt.source == f"somebody/loose@{COMMIT}"
    assert not receipt.pinned
    assert receipt.files["vae/w.safetensors"][1] == hashlib.sha256(safetensors()).hexdigest()
    assert store.verify("loose") == receipt == store.receipt("loose")
    assert sorted(p.name for p in store.folder.iterdir()) == [".lock", "loose"]


def test_a_pinned_file_is_held_against_the_manifest(hub: Hub, store: Store) -> None:
    assert pull(store, PINNED, Wish(hub.endpoint)).pinned
    other = b"\x08\x08" + b"WEIGHTS" * 4000
    hub.files["somebody/pinned"]["net.onnx"] = other
    store.remove("pinned")
    with pytest.raises(wrong.ModelDamaged, match=f"{hashlib.sha256(other).hexdigest()}, expected {SHA}"):
        pull(store, PINNED, Wish(hub.endpoint))
    assert store.receipt("pinned") is None
    hub.files["somebody/pinned"]["net.onnx"] = ONNX
    assert pull(store, PINNED, Wish(hub.endpoint)).files["net.onnx"][1] == SHA


def test_bytes_that_are_not_what_the_hub_itself_promised_are_refused(hub: Hub, store: Store) -> None:
    hub.lies["vae/w.safetensors"] = safetensors(b"\1" * 64)
    with pytest.raises(wrong.ModelDamaged, match="expected"):
        pull(store, LOOSE, Wish(hub.endpoint))
    hub.lies.clear()
    assert pull(store, LOOSE, Wish(hub.endpoint)).files


def test_an_interrupted_pull_goes_on_where_it_was(
    hub: Hub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = b"\x08\x08" + bytes(range(256)) * 80_000
    hub.files["somebody/pinned"]["net.onnx"] = big
    large = PINNED.model_copy(
        update={"file": (KnownFile(path="net.onnx", sha256=hashlib.sha256(big).hexdigest()),)}
    )
    hub.cut_after = 12_000_000
    monkeypatch.setattr("time.sleep", lambda _: None)  # the library waits between its own attempts
    with pytest.raises(wrong.HubUnreachable, match="what was fetched so far is kept"):
        pull(store, large, Wish(hub.endpoint))
    assert store.receipt("pinned") is None
    hub.cut_after, hub.down = None, False
    hub.seen.clear()
    assert pull(store, large, Wish(hub.endpoint)).total_bytes == len(big)
    ranges = [r for method, path, r in hub.seen if method == "GET" and path.endswith("net.onnx")]
    # What the library had not written yet when the line broke is asked for again.
    assert [int(r.removeprefix("bytes=").split("-")[0]) > 1_000_000 for r in ranges] == [True]


def test_a_file_that_is_there_already_is_not_fetched_again(hub: Hub, store: Store) -> None:
    partial = store.partial("pinned")
    partial.mkdir(parents=True)
    (partial / "net.onnx").write_bytes(ONNX)
    pull(store, PINNED, Wish(hub.endpoint))
    assert not [path for method, path, _ in hub.seen if method == "GET" and path.endswith("net.onnx")]


def test_other_bytes_than_the_first_time_need_a_word(hub: Hub, store: Store) -> None:
    first = pull(store, LOOSE, Wish(hub.endpoint))
    hub.files["somebody/loose"]["vae/w.safetensors"] = safetensors(b"\2" * 64)
    with pytest.raises(wrong.ModelChanged, match=r"vae/w\.safetensors"):
        pull(store, LOOSE, Wish(hub.endpoint))
    assert store.verify("loose").digest == first.digest
    assert pull(store, LOOSE, Wish(hub.endpoint, renew=True)).digest != first.digest


def test_a_gated_model_says_how_to_get_access_and_takes_a_token(hub: Hub, store: Store) -> None:
    for token in (None, "hf_wrong"):
        with pytest.raises(wrong.GatedModel, match=r"accept its terms.*HF_TOKEN"):
            pull(store, PAID, Wish(hub.endpoint, token))
    assert pull(store, PAID, Wish(hub.endpoint, "hf_right")).files


def test_a_hub_that_is_away_is_said_so_with_the_way_around_it(store: Store) -> None:
    with pytest.raises(wrong.HubUnreachable, match="retouchd models import"):
        pull(store, PINNED, Wish("http://127.0.0.1:9"))


def test_a_repository_that_is_not_there_is_no_crash(hub: Hub, store: Store) -> None:
    del hub.files["somebody/pinned"]
    with pytest.raises(wrong.HubUnreachable, match="somebody/pinned"):
        pull(store, PINNED, Wish(hub.endpoint))


def test_a_file_of_ones_own_is_imported_and_not_pulled(store: Store, tmp_path: Path) -> None:
    own = known("own", KnownFile(path="*.safetensors"), repository="")
    with pytest.raises(wrong.OwnModel, match="--as own"):
        pull(store, own, Wish("http://127.0.0.1:9"))
    (tmp_path / "mine.safetensors").write_bytes(safetensors())
    assert list(store.bring(tmp_path / "mine.safetensors", own).files) == ["mine.safetensors"]


def test_offline_asks_nobody_and_takes_the_cache_of_this_machine(
    hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, hf_hub_download

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(wrong.HubUnreachable, match="cache of this machine"):
        pull(store, PINNED, Wish(hub.endpoint, offline=True))
    hf_hub_download(
        "somebody/pinned", "net.onnx", endpoint=hub.endpoint, cache_dir=tmp_path / "cache", token=False
    )
    hub.seen.clear()
    assert pull(store, PINNED, Wish(hub.endpoint, offline=True)).source == f"somebody/pinned@{COMMIT}"
    assert hub.seen == []


@pytest.mark.parametrize("name", ["net.onnx", "net.safetensors", "net.gguf", "net.bin", "net.pt"])
def test_a_pickle_is_refused_whatever_it_is_called(name: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    loose = known("loose", KnownFile(path="net.*"))
    with pytest.raises(wrong.UnsafeModelFile):
        store.bring(tmp_path / name, loose)
    assert store.receipt("loose") is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("net.onnx", b"PK\x03\x04 a zip from torch.save"),
        ("net.onnx", b"<html>404</html>"),
        ("net.gguf", b"GGML old"),
        ("net.safetensors", b"\xff" * 64),
        ("net.safetensors", b"\x08\0\0\0\0\0\0\0not json"),
        ("net.safetensors", b""),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(
    name: str, data: bytes, store: Store, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(wrong.UnsafeModelFile):
        store.bring(tmp_path / name, known("loose", KnownFile(path="net.*")))


def test_a_hub_that_serves_a_pickle_as_weights_is_refused(hub: Hub, store: Store) -> None:
    hub.files["somebody/loose"]["vae/w.safetensors"] = pickle.dumps({"a": 1})
    with pytest.raises(wrong.UnsafeModelFile, match="pickle"):
        pull(store, LOOSE, Wish(hub.endpoint))
    assert store.receipt("loose") is None


def test_names_that_lead_out_of_the_store_are_not_taken(hub: Hub, store: Store) -> None:
    hub.files["somebody/loose"]["../evil.json"] = b"{}"
    receipt = pull(store, LOOSE, Wish(hub.endpoint))
    assert "../evil.json" not in receipt.files
    assert not (store.folder / "evil.json").exists()


def test_a_link_out_of_a_carried_folder_is_not_followed(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    carried = tmp_path / "carried"
    carried.mkdir()
    (carried / "model_index.json").symlink_to(secret)
    with pytest.raises(wrong.UnsafeModelFile, match="no plain file"):
        store.bring(carried, LOOSE)


def test_import_knows_a_model_by_its_files_and_checks_them(store: Store, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(ONNX)
    with pytest.raises(wrong.UnknownModel, match="--as"):
        store.bring(tmp_path / "net.onnx", None)
    receipt = store.bring(tmp_path / "net.onnx", PINNED)
    assert (receipt.id, receipt.source) == ("pinned", "import")
    (tmp_path / "net.onnx").write_bytes(ONNX + b"!")
    with pytest.raises(wrong.ModelDamaged, match="bytes, expected"):
        store.bring(tmp_path / "net.onnx", PINNED)
    assert store.verify("pinned") == receipt
    assert sorted(p.name for p in store.folder.iterdir()) == [".lock", "pinned"]


def test_verify_finds_one_changed_byte_and_a_missing_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(ONNX)
    store.bring(tmp_path / "net.onnx", PINNED)
    path = store.place("pinned") / "net.onnx"
    path.write_bytes(ONNX[:-1] + b"S")
    with pytest.raises(wrong.ModelDamaged, match="SHA-256"):
        store.verify("pinned")
    path.unlink()
    with pytest.raises(wrong.ModelDamaged, match="missing"):
        store.verify("pinned")
    with pytest.raises(wrong.ModelNotHere):
        store.verify("loose")


def test_two_commands_do_not_change_the_store_at_once(store: Store) -> None:
    with store.held(), pytest.raises(wrong.StoreBusy), store.held():
        pass


def test_what_may_not_be_used_for_work_needs_a_word(store: Store, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(ONNX)
    store.bring(tmp_path / "net.onnx", PAID)
    made = offer(settings_for(store))
    assert made.stock.models == ()
    assert "accept_noncommercial" in made.left_out[0]
    allowed = offer(settings_for(store, accept_noncommercial=True)).stock
    assert [(m.id, m.commercial) for m in allowed.models] == [("paid", False)]
    assert offer(settings_for(store, accept_noncommercial=True, use=["pinned"])).stock.models == ()


def test_a_damaged_model_is_left_out_and_said(store: Store, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(ONNX)
    store.bring(tmp_path / "net.onnx", PINNED)
    assert offer(settings_for(store)).stock.names == (f"pinned@{store.verify('pinned').digest}",)
    (store.place("pinned") / "net.onnx").write_bytes(b"\x08")
    made = offer(settings_for(store))
    assert made.stock.models == ()
    assert "pinned" in made.damaged[0]
    (store.place("pinned") / "receipt.json").write_text("{")
    assert "receipt.json" in offer(settings_for(store)).damaged[0]


def test_without_models_nothing_is_offered(store: Store) -> None:
    made = offer(settings_for(store))
    assert (made.stock.models, made.left_out, made.damaged) == ((), (), ())


def test_the_commands_tell_and_end_with_the_right_code(hub: Hub, store: Store) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["models", *words, "--store", str(store.folder)])
        return (
            done.exit_code if done.exception is None or isinstance(done.exception, SystemExit) else -1
        ), done.output

    assert run("verify") == (0, "")
    code, said = run("pull", "pinned", "--endpoint", hub.endpoint)
    assert code == 0
    assert "digests as pinned" in said
    code, said = run("list", "--json")
    assert [f["id"] for f in json.loads(said) if f["installed"]] == ["pinned"]
    assert run("show", "pinned")[0] == 0
    assert "well" in run("verify", "pinned")[1]
    assert run("remove", "pinned")[0] == 0
    assert run("verify", "pinned")[0] == 1


@pytest.mark.parametrize("way", ["environment", "file"])
def test_mirror_and_token_come_from_outside_and_are_kept_nowhere(
    way: str, hub: Hub, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["models", "pull", "paid", "--store", str(store.folder)]
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    refused = CliRunner().invoke(cli, words)
    assert isinstance(refused.exception, wrong.GatedModel)
    if way == "environment":
        monkeypatch.setenv("HF_TOKEN", "hf_right")
    else:
        (tmp_path / "token").write_text("hf_right\n")
        words += ["--token-file", str(tmp_path / "token")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "not for commercial work" in done.output
    assert "accept_noncommercial" in done.output  # taken in, and not used before somebody says so
    for path in (p for p in store.folder.rglob("*") if p.is_file()):
        assert b"hf_right" not in path.read_bytes()


def test_the_service_knows_no_way_to_download() -> None:
    """Import contracts hold the modules apart; this holds the worker's own words."""
    root = Path(config.__file__).parents[1]
    for path in [*root.glob("*.py"), *root.glob("config/*.py")]:
        assert not re.search(r"huggingface_hub|urllib\.request|http\.client", path.read_text("utf-8")), path
