"""Fetching a model from a hub that speaks Hugging Face's API, or from what this machine has of it already.

Only ``retouchd models pull`` comes here; an import contract keeps the service out. Files are fetched one by
one, so that an interrupted pull goes on where it was; each is held against the manifest's digest, the hub's
own, and the one that was recorded the first time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retouchd.models import safe
from retouchd.models.errors import (
    GatedModel,
    HubMissing,
    HubUnreachable,
    ModelChanged,
    ModelDamaged,
    OwnModel,
)
from retouchd.models.manifest import Manifest
from retouchd.models.store import Progress, Receipt, Store, digest_of

HUB = "https://huggingface.co"
_PART = ".part"


@dataclass(frozen=True, slots=True)
class Wish:
    """How to fetch."""

    endpoint: str = HUB
    token: str | None = None
    offline: bool = False
    """Take the files from the hub library's cache on this machine, and ask nobody."""
    renew: bool = False
    """Accept other bytes than were recorded at the first pull."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One file as the hub describes it; the digest is known for large files only."""

    path: str
    bytes: int | None
    sha256: str | None


def pull(store: Store, known: Manifest, wish: Wish, told: Progress = lambda *_: None) -> Receipt:
    """Fetch a model into the store.

    Raises:
        ModelError: one subclass for each way to fail. The store is as it was; what was fetched is kept.
    """
    if not known.repository:
        raise OwnModel(known.id)
    # The library reads these once, when it is imported: no telemetry, no second protocol beside the API.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise HubMissing from None
    with store.held(), _translated(known, wish):
        staged = store.partial(known.id)
        staged.mkdir(exist_ok=True)
        if wish.offline:
            commit = _from_cache(known, staged)
        else:
            commit, remotes = _listed(known, wish)
            for remote in remotes:
                _fetch(known, remote, commit, wish, staged, told)
            _sweep(staged, {remote.path for remote in remotes})
        if not wish.renew:
            _check_unchanged(store, known, staged)
        return store.take(known, staged, f"{known.repository}@{commit}", told)


def _listed(known: Manifest, wish: Wish) -> tuple[str, list[Remote]]:
    """The commit that the revision means now, and the files of it that are wanted."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=wish.endpoint, token=wish.token or False)
    info = api.model_info(known.repository, revision=known.revision, files_metadata=True)
    remotes = []
    for sibling in info.siblings or []:
        name = str(sibling.rfilename)
        if known.fits(name) and safe.wanted(name):
            lfs: Any = sibling.lfs
            remotes.append(Remote(name, sibling.size, lfs.sha256 if lfs else None))
    named = [f.path for f in known.file if "*" not in f.path]
    missing = [n for n in named if n not in {r.path for r in remotes}]
    if missing or not remotes:
        raise ModelDamaged(known.id, [f"{n}: not in {known.repository}" for n in missing or ["its files"]])
    return str(info.sha), sorted(remotes, key=lambda r: r.path)


def _fetch(known: Manifest, remote: Remote, commit: str, wish: Wish, staged: Path, told: Progress) -> None:
    """One file; one that lies there already, whole, is not fetched again."""
    said = known.fits(remote.path)
    expected = (said.sha256 if said else None) or remote.sha256
    target = staged / remote.path
    if target.is_file() and expected and digest_of(target, remote.path, lambda *_: None) == expected:
        return
    told(remote.path, 0, remote.bytes or 0)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + _PART)
    _continued(known, remote, commit, wish, part)
    part.replace(target)
    safe.check(target, remote.path)
    found = digest_of(target, remote.path, told)
    if expected and found != expected:
        # Kept, it would be taken for finished by the next pull.
        target.unlink()
        raise ModelDamaged(known.id, [f"{remote.path}: SHA-256 {found}, expected {expected}"])


def _sweep(staged: Path, wanted: set[str]) -> None:
    """Remove what an earlier pull of another version left."""
    for path in sorted(staged.rglob("*")):
        if path.is_file() and str(path.relative_to(staged)) not in wanted:
            path.unlink()


def _continued(known: Manifest, remote: Remote, commit: str, wish: Wish, part: Path) -> None:
    """Fetch a file into its part, from where an earlier pull stopped.

    ``hf_hub_download`` begins a file anew with each call, and one shard of a large model is ten gigabytes;
    the library's own transfer below it, with its retries and its bar, takes a start.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    url = hf_hub_url(known.repository, remote.path, revision=commit, endpoint=wish.endpoint)
    facts = get_hf_file_metadata(url, token=wish.token or False, endpoint=wish.endpoint)
    headers = build_hf_headers(token=wish.token or False)
    if urlsplit(facts.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is the hub's business, not that of its storage
    part.touch()
    if facts.size is not None and part.stat().st_size > facts.size:
        part.write_bytes(b"")
    with part.open("r+b") as file:
        done = file.seek(0, os.SEEK_END)
        if done != facts.size:
            http_get(facts.location, file, resume_size=done, headers=headers, expected_size=facts.size)


def _from_cache(known: Manifest, staged: Path) -> str:
    """Copy what the hub library's cache on this machine holds; its commit."""
    from huggingface_hub import snapshot_download

    patterns = [f.path for f in known.file]
    found = Path(
        snapshot_download(
            known.repository, revision=known.revision, allow_patterns=patterns, local_files_only=True
        )
    )
    for path in sorted(found.rglob("*")):
        name = str(path.relative_to(found))
        if path.is_file() and known.fits(name) and safe.wanted(name):
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, staged / name)
    return found.name


def _check_unchanged(store: Store, known: Manifest, staged: Path) -> None:
    """What was trusted on first use is not quietly replaced on the second."""
    before = store.receipt(known.id)
    if before is None or known.pinned:
        return
    changed = [
        name
        for name, (_, sha) in before.files.items()
        if (staged / name).is_file() and digest_of(staged / name, name, lambda *_: None) != sha
    ]
    if changed:
        raise ModelChanged(known.id, changed)


@contextmanager
def _translated(known: Manifest, wish: Wish) -> Iterator[None]:
    """The library's errors as ours."""
    from huggingface_hub import errors

    page = f"{HUB}/{known.repository}"
    where = "the cache of this machine" if wish.offline else wish.endpoint
    try:
        yield
    except errors.GatedRepoError:
        raise GatedModel(known.id, page) from None
    except errors.RepositoryNotFoundError as error:
        # The hub answers the same for what is not there and for what one may not see.
        if known.gated:
            raise GatedModel(known.id, page) from None
        raise HubUnreachable(where, f"{known.repository}: {_line(error)}") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.EntryNotFoundError) as error:
        raise HubUnreachable(where, f"{known.repository}: {_line(error)}") from None
    except OSError as error:
        raise HubUnreachable(where, f"{type(error).__name__}: {_line(error)}") from None
    except Exception as error:
        # The library's own connection errors are of whichever HTTP client it uses this year.
        if type(error).__module__.split(".")[0] in {"httpx", "httpx2", "httpcore", "requests", "urllib3"}:
            raise HubUnreachable(where, f"{type(error).__name__}: {_line(error)}") from None
        raise


def _line(error: BaseException) -> str:
    """The first line of what a library says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
