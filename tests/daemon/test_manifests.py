"""The manifests that come with the program: complete, and honest about what is known."""

from __future__ import annotations

import hashlib

import pytest

from retouchd.models import Manifest, manifests
from retouchd.models.safe import wanted

NONCOMMERCIAL = {
    *("flux-fill", "flux-turbo", "flux-fill-q8", "flux-controlnet", "flux-inpaint-beta", "klein-9b")
}


@pytest.fixture(params=[m.id for m in manifests()])
def known(request: pytest.FixtureRequest) -> Manifest:
    return next(m for m in manifests() if m.id == request.param)


def test_it_says_everything(known: Manifest) -> None:
    assert known.title
    assert known.repository.count("/") == 1 or known.licence == "LicenseRef-Own" or known.shipped
    assert known.peak_mb >= known.rest_mb > 0
    assert known.licence in {"Apache-2.0", "MIT"} or known.licence.startswith("LicenseRef-")
    own = known.licence == "LicenseRef-Own"
    assert known.commercial is (own or not known.licence.startswith("LicenseRef-"))


def test_a_pinned_file_has_a_commit(known: Manifest) -> None:
    for file in known.file:
        if file.pinned:
            # YuNet's bytes are known from OpenCV's zoo, not from a commit of the hub: the digest says all.
            assert len(known.revision) == 40 or known.shipped or known.id == "yunet"


def test_its_files_may_enter_the_store(known: Manifest) -> None:
    assert all(wanted(f.path.replace("*", "x")) for f in known.file)


def test_what_it_names_is_there(known: Manifest) -> None:
    assert {*known.needs, *known.extras} <= {m.id for m in manifests()}


def test_the_non_commercial_ones_say_so() -> None:
    assert {m.id for m in manifests() if not m.commercial} == NONCOMMERCIAL


def test_what_comes_with_the_program_is_what_its_manifest_says() -> None:
    """Small, with a card, and held against the same digest as what is fetched."""
    shipped = [m for m in manifests() if m.shipped]
    assert [m.id for m in shipped] == ["rethined"]
    for known in shipped:
        assert known.own_copy
        assert known.own_copy.stat().st_size == known.file[0].bytes
        assert known.own_copy.stat().st_size <= 2_000_000
        assert hashlib.sha256(known.own_copy.read_bytes()).hexdigest() == known.file[0].sha256
        card = known.own_copy.with_suffix(".md").read_text("utf-8")
        assert "CC BY 4.0" in card
        assert "figshare" in card


def test_a_star_stays_in_its_folder() -> None:
    klein = next(m for m in manifests() if m.id == "klein")
    assert klein.fits("vae/config.json")
    assert not klein.fits("a/vae/config.json")
    assert not klein.fits("vae/weights.bin")
    assert not klein.fits("flux-2-klein-4b.safetensors")
