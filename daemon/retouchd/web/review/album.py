"""What there is to review: the records below the watched folders, as shoots of photos.

Only what this walk found can be asked for, so no request can name a path. A photo whose source is no plain
file inside its own folder is left out: a record is a text that anybody could have written. A share that does
not answer is named and left out: one dead NAS kept everybody from the photos of all others.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retouch_engine import Decision
from retouchd import ignores, knock, naming, presence
from retouchd.knock import Knock
from retouchd.naming import OWN_FOLDER, RECORD, ResultSet
from retouchd.results import corrections, record
from retouchd.results.corrections import BrokenCorrections, Memory
from retouchd.text import shown

_FRESH_S = 2.0
_DECISIONS = tuple(str(d) for d in Decision)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of results, with the folder that its photos come from."""

    results: Path
    sources: Path


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo with its latest results."""

    id: str
    source: Path
    names: ResultSet
    counts: dict[str, int]
    sha256: str
    stamp: int
    """Changes with each new result."""
    approved: bool

    @property
    def name(self) -> str:
        """For people."""
        return shown(self.source.name)

    @property
    def asks(self) -> int:
        """How many spots a person is asked about."""
        return 0 if self.approved else self.counts["review"] + self.counts["failed"]

    def told(self) -> dict[str, Any]:
        """The decision record; empty when it is gone."""
        return record.read(self.names.path(RECORD)) or {}

    def memory(self) -> Memory:
        """What was decided so far.

        Raises:
            BrokenCorrections: the file cannot be used.
        """
        return corrections.read(self.source, self.names.folder, self.sha256)


@dataclass(frozen=True, slots=True)
class Shoot:
    """The photos of one folder, those that ask for a look first."""

    id: str
    folder: Path
    name: str
    photos: tuple[Photo, ...]

    def total(self, key: str) -> int:
        """A count over all photos."""
        return sum(photo.counts[key] for photo in self.photos)

    @property
    def asks(self) -> int:
        """How many photos want a look."""
        return sum(photo.asks > 0 for photo in self.photos)

    @property
    def approved(self) -> int:
        """How many photos a person has approved."""
        return sum(photo.approved for photo in self.photos)


class _Walk:
    """One place, walked in a thread of its own: where it does not answer, only that thread waits."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.shoots: tuple[Shoot, ...] = ()
        """As they were when it was last walked through."""
        self.there = [knock.at(folder) for folder in {place.results, place.sources}]
        self.through = Knock(self._again)
        self._known: dict[Path, tuple[tuple[int, ...], Photo | None]] = {}

    def _again(self) -> None:
        self.shoots = tuple(self._found())

    def _found(self) -> Iterator[Shoot]:
        place = self.place
        for where, folders, _ in os.walk(place.results):
            folder = Path(where)
            own = folder / OWN_FOLDER
            if OWN_FOLDER in folders:
                photos = self._photos(folder, _records(own))
                if photos:
                    relative = folder.relative_to(place.results)
                    name = place.sources.name if relative == Path() else f"{place.sources.name}/{relative}"
                    # By where the photos are: results of several folders may come together in one.
                    shoot_id = _id(place.sources / relative / OWN_FOLDER)
                    yield Shoot(shoot_id, folder, shown(name), photos)
            folders[:] = sorted(f for f in folders if not ignores.folder_ignored(f))

    def _photos(self, folder: Path, records: Iterable[Path]) -> tuple[Photo, ...]:
        """The latest set of each photo of a folder."""
        latest: dict[Path, Photo] = {}
        for path in records:
            photo = self._read(folder, path)
            if photo is not None:
                before = latest.get(photo.source)
                if before is None or before.names.number < photo.names.number:
                    latest[photo.source] = photo
        return tuple(sorted(latest.values(), key=lambda p: (p.asks == 0, p.name)))

    def _read(self, folder: Path, path: Path) -> Photo | None:
        decided = folder / OWN_FOLDER / naming.CORRECTIONS_FOLDER
        stamp = (*_stamp(path), *_stamp(decided))
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            told = record.read(path)
            try:
                known = (stamp, _photo(self.place, folder, path, told) if told else None)
            # Its folder does not let us look, or no photo can have its name. The others have nothing to do
            # with that: one such record was the end of the whole page.
            except (OSError, ValueError):
                return None
            self._known[path] = known
        return known[1]


@dataclass(slots=True)
class Album:
    """Walks the places when its knowledge is older than two seconds; reads only records that changed."""

    places: Sequence[Place]
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _walked_s: float = -1e9
    _shoots: tuple[Shoot, ...] = ()
    _walks: dict[Place, _Walk] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    """Folders of results that did not answer: nothing of them is shown, else who opens it waits for ever."""
    late: tuple[str, ...] = ()
    """Folders of results that were not walked through in time: they are shown as they were."""

    def shoots(self) -> tuple[Shoot, ...]:
        """Every folder with results, those that ask for a look first."""
        with self._lock:
            if time.monotonic() - self._walked_s > _FRESH_S:
                self._walk()
                self._walked_s = time.monotonic()
            return self._shoots

    def _walk(self) -> None:
        self._walks = {place: self._walks.get(place) or _Walk(place) for place in self.places}
        walks = list(self._walks.values())
        dead = knock.together(one for walk in walks for one in walk.there)
        there = [walk for walk in walks if not any(one in dead for one in walk.there)]
        open_still = knock.together(walk.through for walk in there)
        found = [shoot for walk in there for shoot in walk.shoots]
        self._shoots = tuple(sorted(found, key=lambda s: (s.asks == 0, s.name)))
        self.silent = tuple(shown(walk.place.results) for walk in walks if walk not in there)
        self.late = tuple(shown(walk.place.results) for walk in there if walk.through in open_still)

    def forget(self) -> None:
        """Walk again with the next question."""
        with self._lock:
            self._walked_s = -1e9

    def shoot(self, shoot_id: str) -> Shoot | None:
        """A folder by its id."""
        return next((s for s in self.shoots() if s.id == shoot_id), None)

    def photo(self, photo_id: str) -> tuple[Shoot, Photo] | None:
        """A photo by its id, with its shoot; as it is now, however young the knowledge of the others is.

        A page that asked whether its new result is there, and was shown the one before, never asked again.
        """
        found = self._among(photo_id)
        if found is not None and _stamp(found[1].names.path(RECORD))[0] != found[1].stamp:
            self.forget()
            found = self._among(photo_id)
        return found

    def _among(self, photo_id: str) -> tuple[Shoot, Photo] | None:
        return next(((s, p) for s in self.shoots() for p in s.photos if p.id == photo_id), None)


def _records(own: Path) -> list[Path]:
    """The records in a folder of ours; none where it is a link, was taken away, or its disk fails.

    A share that failed, by an error at once, was the end of the whole page.
    """
    try:
        return [] if presence.link(own) else list(own.glob("*.json"))
    except OSError:
        return []


def _photo(place: Place, folder: Path, path: Path, told: dict[str, Any]) -> Photo | None:
    about, counts = told.get("source"), told.get("counts")
    name = about.get("name") if isinstance(about, dict) else None
    if not isinstance(name, str) or not isinstance(counts, dict) or name in {"", ".", ".."} or "/" in name:
        return None
    source = place.sources / folder.relative_to(place.results) / name
    names = naming.set_of_record(path, source)
    inside = os.path.realpath(source).startswith(f"{os.path.realpath(place.sources)}{os.sep}")
    # Results of several folders may come together here: a name alone does not say whose they are.
    its = names is not None and record.same_source(told, source)
    if names is None or not its or not presence.plain(source) or not inside:
        return None
    sha256 = str(record.source_digest(told))
    try:
        approved = corrections.read(source, folder, sha256).approves(told)
    except (BrokenCorrections, OSError):  # the photo's own page says what is wrong with them
        approved = False
    whole = {key: _whole(counts.get(key)) for key in ("found", *_DECISIONS)}
    return Photo(_id(path), source, names, whole, sha256, _stamp(path)[0], approved)


def places_of(watched: Iterable[tuple[Path, Path | None]]) -> list[Place]:
    """The places of watched folders: each with its mirror, if it has one."""
    return [Place(mirror or path, path) for path, mirror in watched]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _id(path: Path) -> str:
    return hashlib.blake2s(os.fsencode(path), digest_size=9).hexdigest()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
