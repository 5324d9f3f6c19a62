"""The folder of models: each one a folder with its files and a receipt, there as a whole or not at all.

A model is put together under a name that begins with a dot, checked, and renamed into its place. The receipt
is written before the rename, so that a folder without one is never taken for a model.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from retouchd.config import Settings
from retouchd.models import safe
from retouchd.models.errors import (
    ModelDamaged,
    ModelNotHere,
    StoreBusy,
    StoreUnusable,
    UnknownModel,
    UnsafeModelFile,
)
from retouchd.models.manifest import Manifest, manifest, manifests

RECEIPT = "receipt.json"
_SCHEMA = "retouchd.model/1"
_CHUNK = 1 << 20

Progress = Callable[[str, int, int], None]
"""Told a file's name, the bytes done and the bytes there are."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was taken in: every file with its size and digest, and where it came from."""

    id: str
    source: str
    """``owner/name@commit``; ``import``; or ``retouchd`` for what comes with the program."""
    taken_at: str
    pinned: bool
    """False: no digest was known beforehand, so these were recorded on first use."""
    files: Mapping[str, tuple[int, str]]

    @property
    def digest(self) -> str:
        """SHA-256 over all names and digests, hex."""
        plain = json.dumps({name: sha for name, (_, sha) in sorted(self.files.items())})
        return hashlib.sha256(plain.encode("ascii", "backslashreplace")).hexdigest()

    @property
    def total_bytes(self) -> int:
        """Of all its files."""
        return sum(count for count, _ in self.files.values())

    def write(self, folder: Path) -> None:
        """Put the receipt into a model's folder, down to the disk."""
        with (folder / RECEIPT).open("w", encoding="utf-8") as file:
            json.dump({"schema": _SCHEMA, **asdict(self)}, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Receipt:
        """The receipt of a model's folder.

        Raises:
            ModelDamaged: it cannot be read.
        """
        try:
            raw = json.loads((folder / RECEIPT).read_text("utf-8"))
            files = {str(name): (int(n), str(sha)) for name, (n, sha) in raw["files"].items()}
            return cls(raw["id"], raw["source"], raw["taken_at"], bool(raw["pinned"]), files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelDamaged(folder.name, [f"{RECEIPT}: {error}"]) from None


@dataclass(frozen=True, slots=True)
class Store:
    """The models of one folder."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings) -> Store:
        """The store that the settings name."""
        return cls(settings.models_dir)

    def place(self, model_id: str) -> Path:
        """Where a model lies once it is here."""
        return self.folder / model_id

    def receipt(self, model_id: str) -> Receipt | None:
        """The receipt of a model; None when it is not here."""
        return Receipt.read(self.place(model_id)) if (self.place(model_id) / RECEIPT).is_file() else None

    def here(self) -> Iterator[tuple[Manifest, Receipt]]:
        """Every model that is here and known, by id."""
        for known in manifests():
            receipt = self.receipt(known.id)
            if receipt:
                yield known, receipt

    def verify(self, model_id: str, told: Progress = lambda *_: None) -> Receipt:
        """Read every byte of a model again.

        Raises:
            ModelNotHere: it is not in the store.
            ModelDamaged: a file is missing, or not what the receipt or the manifest says.
        """
        known, receipt = manifest(model_id), self.receipt(model_id)
        if receipt is None:
            raise ModelNotHere(model_id, self.folder)
        found = checked(known, self.place(model_id), sorted(receipt.files), told)
        wrong = [name for name, facts in found.items() if facts != receipt.files[name]]
        if wrong:
            raise ModelDamaged(model_id, [f"{name}: not what was taken in" for name in wrong])
        return receipt

    def take(self, known: Manifest, staged: Path, source: str, told: Progress = lambda *_: None) -> Receipt:
        """Check what lies staged inside the store and move it into its place.

        Raises:
            ModelDamaged: a file is missing or not what the manifest, or the earlier receipt, says.
            UnsafeModelFile: a file that may hold code.
        """
        names = sorted(str(p.relative_to(staged)) for p in staged.rglob("*") if p.is_file())
        names = [n for n in names if n != RECEIPT and known.fits(n)]
        missing = [f.path for f in known.file if f.pinned and f.path not in names]
        if missing or not any(Path(n).suffix in safe.WEIGHTS for n in names):
            raise ModelDamaged(known.id, [f"{p}: missing" for p in missing] or ["no weights"])
        found = checked(known, staged, names, told)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        receipt = Receipt(known.id, source, when, known.pinned, found)
        receipt.write(staged)
        place = self.place(known.id)
        old = place.with_name(f".old-{known.id}")
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        staged.rename(place)
        shutil.rmtree(old, ignore_errors=True)
        return receipt

    def remove(self, model_id: str) -> int:
        """Delete a model, and what is left of an unfinished pull; how many bytes its files had.

        Raises:
            ModelNotHere: it is not in the store.
        """
        known = manifest(model_id)
        place, partial = self.place(known.id), self.partial(known.id)
        if not place.is_dir() and not partial.is_dir():
            raise ModelNotHere(model_id, self.folder)
        freed = sum(p.stat().st_size for d in (place, partial) for p in d.rglob("*") if p.is_file())
        gone = place.with_name(f".old-{known.id}")
        shutil.rmtree(gone, ignore_errors=True)
        if place.is_dir():
            place.rename(gone)  # at once not a model any more, however long the deleting takes
        shutil.rmtree(gone, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
        return freed

    def partial(self, model_id: str) -> Path:
        """Where a model is put together; it outlasts an interrupted pull, so that the next one goes on."""
        return self.folder / f".partial-{model_id}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other commands from changing the store.

        Raises:
            StoreBusy: another one does just now.
            StoreUnusable: the folder cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnusable(self.folder, error.strerror or str(error)) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StoreBusy(self.folder) from None
        finally:
            os.close(fd)

    def bring(
        self,
        path: Path,
        known: Manifest | None,
        told: Progress = lambda *_: None,
        source: str = "import",
    ) -> Receipt:
        """Take in files that were carried here: a folder laid out as the repository, or a single file.

        Raises:
            UnknownModel: no manifest fits the files.
            ModelDamaged, UnsafeModelFile: as :meth:`take`.
        """
        if not path.exists():
            raise ModelDamaged(path.name, ["no such file or folder"])
        names = _names(path)
        known = known or _recognised(path.name, names)
        root = path if path.is_dir() else path.parent
        chosen = [n for n in names if known.fits(n)]
        if not chosen:
            raise ModelDamaged(known.id, [f"{f.path}: missing" for f in known.file])
        for name in chosen:
            safe.check(root / name, name)
        with self.held():
            staged = self.folder / f".import-{known.id}"
            shutil.rmtree(staged, ignore_errors=True)
            try:
                for name in chosen:
                    (staged / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(root / name, staged / name)
                return self.take(known, staged, source, told)
            finally:
                shutil.rmtree(staged, ignore_errors=True)


def _names(path: Path) -> list[str]:
    if not path.is_dir():
        return [path.name]
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if not p.is_dir())


def _recognised(name: str, names: list[str]) -> Manifest:
    """The one model whose named weights are all among the files."""

    def fits(known: Manifest) -> bool:
        named = [f.path for f in known.file if "*" not in f.path and Path(f.path).suffix in safe.WEIGHTS]
        return bool(named) and all(n in names for n in named)

    found = [m for m in manifests() if m.id == name] or [m for m in manifests() if fits(m)]
    if len(found) != 1:
        if all(not safe.wanted(n) for n in names):
            raise UnsafeModelFile(names[0] if names else name, "nothing that a model is made of")
        raise UnknownModel(name, [m.id for m in found or manifests()], "say which with --as ID")
    return found[0]


def checked(known: Manifest, root: Path, names: list[str], told: Progress) -> dict[str, tuple[int, str]]:
    """Size and digest of each file, held against the manifest.

    Raises:
        ModelDamaged: a file is missing, or not what the manifest says.
        UnsafeModelFile: a file that may hold code.
    """
    found: dict[str, tuple[int, str]] = {}
    wrong: list[str] = []
    for name in names:
        path = root / name
        if not path.is_file():
            wrong.append(f"{name}: missing")
            continue
        safe.check(path, name)
        facts = found[name] = (path.stat().st_size, digest_of(path, name, told))
        said = known.fits(name)
        if said and said.bytes not in (None, facts[0]):
            wrong.append(f"{name}: {facts[0]} bytes, expected {said.bytes}")
        elif said and said.sha256 not in (None, facts[1]):
            wrong.append(f"{name}: SHA-256 {facts[1]}, expected {said.sha256}")
    if wrong:
        raise ModelDamaged(known.id, wrong)
    return found


def digest_of(path: Path, name: str, told: Progress) -> str:
    """SHA-256 of a file, hex."""
    digest, done, whole = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            told(name, done, whole)
    return digest.hexdigest()
