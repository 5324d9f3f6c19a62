"""Content credentials: valid when read back, the pixels as proved, and nothing published without them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from benchmarks.chart import Chart

from retouch_engine import Finish, Order, Recipe, Role, Signing, errors, open_engine, signing_trouble
from retouch_engine.codec.provenance import sign
from retouch_engine.codec.xmp import ALGORITHMIC

c2pa = pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def _named(name: str) -> Any:
    oid = x509.oid.NameOID
    names = ((oid.COMMON_NAME, name), (oid.ORGANIZATION_NAME, "A Studio"))
    return x509.Name([x509.NameAttribute(*pair) for pair in names])


def _usage(*, authority: bool) -> Any:
    uses = [f"{what}_encipherment" for what in ("key", "data")]
    uses += ["content_commitment", "key_agreement", "encipher_only", "decipher_only"]
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=authority, crl_sign=authority, **dict.fromkeys(uses, False)
    )


def make(folder: Path, *, valid: bool = True) -> Signing:
    """A certificate of our own, vouched for by an authority of our own, and its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pems = []
    for name, key, authority in (("Studio", own, False), ("Root", root, True)):
        made = x509.CertificateBuilder().subject_name(_named(name)).issuer_name(_named("Root"))
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(NOW - 9 * DAY).not_valid_after(NOW + DAY * (9 if valid else -3))
        made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        made = made.add_extension(_usage(authority=authority), critical=True)
        subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        made = made.add_extension(subject, critical=False).add_extension(issuer, critical=False)
        if not authority:
            mail = x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION
            made = made.add_extension(x509.ExtendedKeyUsage([mail]), critical=False)
        pems.append(made.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "chain.pem").write_bytes(b"".join(pems))
    plain = serialization.NoEncryption()
    data = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(data)
    (folder / "key.pem").chmod(0o600)
    return Signing(str(folder / "chain.pem"), str(folder / "key.pem"))


@pytest.fixture
def photo(chart: Chart, tmp_path: Path) -> Path:
    path = tmp_path / "Kraków photo.tif"
    tifffile.imwrite(path, chart.pixels[:600, :900], photometric="rgb")
    return path


def order(photo: Path, name: str, signing: Signing | None) -> Order:
    staging = photo.parent / name
    staging.mkdir()
    return Order(photo, staging, Recipe(), Finish(signing=signing))


def read(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle, c2pa.Reader("image/tiff", handle) as reader:
        told: dict[str, Any] = json.loads(reader.json())
    return told


def test_a_signed_result_reads_back_as_valid_with_the_pixels_of_an_unsigned_one(photo: Path) -> None:
    signing = make(photo.parent)
    stages: list[str] = []
    with open_engine() as engine:
        plain = engine.retouch(order(photo, "plain", None), lambda _: None)
        signed = engine.retouch(order(photo, "signed", signing), stages.append)
    assert stages[stages.index("metadata") :] == ["metadata", "sign", "prove", "digest"]
    told = read(signed.files[Role.RESULT])
    assert told["validation_state"] == "Valid"
    assert [s["code"] for s in told["validation_status"]] == ["signingCredential.untrusted"]
    manifest = told["manifests"][told["active_manifest"]]
    (actions,) = (a["data"]["actions"] for a in manifest["assertions"] if "actions" in a["label"])
    assert [a["action"] for a in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"].endswith("/algorithmicallyEnhanced")
    assert [i["relationship"] for i in manifest["ingredients"]] == ["parentOf"]
    assert manifest["ingredients"][0]["title"] == "Kraków photo.tif"
    assert "time" not in manifest["signature_info"], "nobody was asked for the time"
    record = signed.record
    assert record["outside_unchanged"] is True
    assert record["c2pa"]["state"] == "Valid"
    assert record["c2pa"]["issuer"] == "A Studio"
    assert "c2pa" not in plain.record
    assert record["spots"] == plain.record["spots"]
    with (
        tifffile.TiffFile(signed.files[Role.RESULT]) as ours,
        tifffile.TiffFile(plain.files[Role.RESULT]) as theirs,
    ):
        assert np.array_equal(ours.asarray(), theirs.asarray())
        assert not ours.is_bigtiff
        assert 52545 in ours.pages[0].tags
    size = signed.files[Role.RESULT].stat().st_size
    assert size - plain.files[Role.RESULT].stat().st_size < 50_000, "no thumbnail is put in"


def heic(photo: Path, signing: Signing) -> tuple[Path, str]:
    """The photo as a camera's HEIC that is signed, and the label of its manifest."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    plain, signed = photo.with_name("plain.heic"), photo.with_name("signed.heic")
    pixels = (tifffile.imread(photo) >> 8).astype(np.uint8)
    size = (pixels.shape[1], pixels.shape[0])
    pillow_heif.from_bytes("RGB", size, pixels.tobytes()).save(plain)
    files = (Path(signing.certificate).read_bytes(), Path(signing.key).read_bytes())
    info = c2pa.C2paSignerInfo(b"es256", *files, None)
    taken = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    actions = {"label": "c2pa.actions.v2", "data": {"actions": [taken]}}
    told = {"claim_generator_info": [{"name": "camera"}], "format": "image/heif", "assertions": [actions]}
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(told) as builder,
        plain.open("rb") as before,
        signed.open("w+b") as after,
    ):
        builder.sign(signer, "image/heif", before, after)
    with signed.open("rb") as handle, c2pa.Reader("image/heif", handle) as reader:
        return signed, json.loads(reader.json())["active_manifest"]


def tiff(photo: Path, signing: Signing) -> tuple[Path, str]:
    """The photo, signed, and the label of its manifest."""
    plain = photo.with_name("plain.tif")
    plain.write_bytes(photo.read_bytes())
    facts = {"title": "a", "source_title": "b", "source_type": ALGORITHMIC, "healed": 0}
    return photo, sign(photo, plain, signing, facts)["label"]


@pytest.mark.parametrize("made", [tiff, heic])
def test_a_photos_own_credentials_are_kept_inside_those_of_a_signed_result(
    photo: Path, made: Callable[[Path, Signing], tuple[Path, str]]
) -> None:
    signing = make(photo.parent)
    photo, label = made(photo, signing)
    with open_engine() as engine:
        unsigned = engine.retouch(order(photo, "unsigned", None), lambda _: None)
        signed = engine.retouch(order(photo, "signed", signing), lambda _: None)
    assert any("C2PA" in note for note in unsigned.record["notes"])
    assert not any("C2PA" in note for note in signed.record["notes"])
    assert signed.record["c2pa"]["source"] == label
    assert label in read(signed.files[Role.RESULT])["manifests"]


def test_a_later_write_is_seen(photo: Path) -> None:
    with open_engine() as engine:
        signed = engine.retouch(order(photo, "signed", make(photo.parent)), lambda _: None)
    path = signed.files[Role.RESULT]
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    codes = [s["code"] for s in read(path)["validation_status"]]
    assert "assertion.dataHash.mismatch" in codes


@pytest.mark.parametrize("fault", ["readable key", "no key", "no certificate", "other key", "expired"])
def test_without_a_valid_signature_nothing_is_handed_out(photo: Path, fault: str) -> None:
    signing = make(photo.parent, valid=fault != "expired")
    key = Path(signing.key)
    if fault == "readable key":
        key.chmod(0o640)
    elif fault == "no key":
        key.unlink()
    elif fault == "no certificate":
        signing = replace(signing, certificate=str(photo))
    elif fault == "other key":
        (photo.parent / "other").mkdir()
        signing = replace(signing, key=make(photo.parent / "other").key)
    with open_engine() as engine, pytest.raises(errors.NotSigned) as caught:
        engine.retouch(order(photo, "signed", signing), lambda _: None)
    assert caught.value.retryable
    assert "BEGIN" not in str(caught.value), "no key in a log"
    assert not list((photo.parent / "signed").glob("*.signed"))
    assert signing_trouble(signing)


def test_a_sound_certificate_gives_no_trouble(photo: Path) -> None:
    assert signing_trouble(make(photo.parent)) == ""
