"""Every page and every change of the review, as one function from a request to a reply. Knows no sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader

from retouch_engine import Correction, Corrections, EngineError, Role, Wish, __version__, pyramid
from retouchd import presence
from retouchd.errors import BadRequest, RetouchdError
from retouchd.naming import RECORD
from retouchd.results import corrections, keepsakes, record
from retouchd.results.corrections import Memory
from retouchd.text import shown
from retouchd.web.review.album import Album, Photo, Shoot
from retouchd.web.review.viewer import Tiles

_HTML, _JSON, _JPEG = "text/html; charset=utf-8", "application/json", "image/jpeg"
_STATIC = {"review.css": "text/css; charset=utf-8", "review.js": "text/javascript; charset=utf-8"}
_MOST_SPOTS = 5000
_BY_PAGE = "page"
_PUBLISHING_S = 120.0
"""A record that is older than this waits for no TIFF any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back."""

    code: int
    kind: str
    data: bytes
    keep_s: int = 0
    """How long a browser may keep it."""


class NotHere(RetouchdError):
    """No such page, photo or tile."""

    exit_code = 1

    def __init__(self) -> None:
        super().__init__("not here")


@dataclass(slots=True)
class Site:
    """The pages over one album."""

    album: Album
    tiles: Tiles
    says: Callable[[], str] = lambda: ""
    """One line on what the service is doing."""
    changed: Callable[[Photo], None] = lambda _: None
    """Told of each photo that a person corrected, after its file of corrections is in its place."""
    _pages: Environment = field(init=False)

    def __post_init__(self) -> None:
        """Load the templates."""
        loader = PackageLoader("retouchd")
        self._pages = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)

    def get(self, path: str) -> Reply:
        """Look at something.

        Raises:
            NotHere: there is nothing by that name.
            NoPicture: a photo cannot be shown.
        """
        match path.strip("/").split("/"):
            case [""]:
                shoots = self.album.shoots()
                return self._page("shoots", shoots=shoots, silent=self.album.silent, late=self.album.late)
            case ["shoot", shoot]:
                return self._page("shoot", shoot=self._shoot(shoot))
            case ["photo", photo]:
                return self._photo_page(photo)
            case ["photo", photo, *what]:
                return self._of_photo(self._photo(photo)[1], what)
            case ["static", name] if name in _STATIC:
                data = resources.files("retouchd.web.review").joinpath("static", name).read_bytes()
                return Reply(200, _STATIC[name], data, 300)
            case ["progress"]:
                now = self.album.shoots()
                photos = sum(len(s.photos) for s in now)
                return _json({"says": self.says(), "photos": photos, "asks": sum(s.asks for s in now)})
        raise NotHere

    def _of_photo(self, photo: Photo, what: list[str]) -> Reply:
        match what:
            case ["state"]:
                return _json(self._state(photo))
            case ["view.jpg"]:
                return self._overview(photo)
            case ["about"]:
                return _json(self._about(photo))
            case ["before" | "after" as which, level, place]:
                return self._tile(photo, which, level, place)
        raise NotHere

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Change something.

        Raises:
            NotHere: there is nothing by that name.
            BadRequest: the change makes no sense.
        """
        match path.strip("/").split("/"):
            case ["photo", photo, "decide"]:
                found = self._photo(photo)[1]
                self._decide(found, body)
                return _json(self._state(found))
            case ["photo", photo, "approve"]:
                self._approve(self._photo(photo)[1], yes=body.get("approved") is True)
                return _json({"approved": body.get("approved") is True})
            case ["shoot", shoot, "approve"]:
                photos = self._shoot(shoot).photos
                for one in photos:
                    self._approve(one, yes=True)
                return _json({"approved": len(photos)})
        raise NotHere

    def failed(self, code: int, why: str) -> Reply:
        """A page that says what went wrong."""
        return replace(self._page("trouble", why=why), code=code)

    def login(self) -> Reply:
        """The page that asks for the token."""
        return replace(self._page("login"), code=401)

    def _page(self, name: str, **told: Any) -> Reply:
        text = self._pages.get_template(f"{name}.html.jinja").render(version=__version__, **told)
        return Reply(200, _HTML, text.encode("utf-8", "backslashreplace"))

    def _shoot(self, shoot_id: str) -> Shoot:
        found = self.album.shoot(shoot_id)
        if found is None:
            raise NotHere
        return found

    def _photo(self, photo_id: str) -> tuple[Shoot, Photo]:
        found = self.album.photo(photo_id)
        if found is None:
            raise NotHere
        return found

    def _photo_page(self, photo_id: str) -> Reply:
        shoot, photo = self._photo(photo_id)
        told, place = photo.told(), shoot.photos.index(photo)
        recipe = _table(_table(told, "engine"), "recipe")
        decided = photo.memory().decided
        dials = {
            name: decided_value if decided_value is not None else recipe.get(name, usual)
            for name, decided_value, usual in (
                ("strength", decided.strength, 100),
                ("sensitivity", decided.sensitivity, 50),
            )
        }
        spots = [s for s in told.get("spots", []) if isinstance(s, dict)]
        # What asks for a word comes first; then what was done, then what was left.
        order = {"review": 0, "failed": 0, "healed": 1, "kept": 2}
        spots.sort(key=lambda s: (order.get(str(s.get("decision")), 3), s.get("id", 0)))
        beside = {
            "previous": shoot.photos[place - 1] if place else None,
            "following": shoot.photos[place + 1] if place + 1 < len(shoot.photos) else None,
        }
        notes = [shown(str(n)) for n in told.get("notes", [])]
        facts = {"shoot": shoot, "photo": photo, "place": place + 1, "notes": notes}
        state = self._state(photo)
        return self._page("photo", spots=spots, dials=dials, state=state, **facts, **beside)

    def _state(self, photo: Photo) -> dict[str, Any]:
        """Whether the result shows what was decided; the page asks until it does."""
        pending = corrections.outdated(photo.source, photo.names.folder) or _on_its_way(photo)
        return {"stamp": str(photo.stamp), "pending": pending, "says": self.says()}

    def _about(self, photo: Photo) -> dict[str, int]:
        """Size, orientation and tiles, from the record: decoding 45 MP for it would keep the page empty."""
        source = _table(photo.told(), "source")
        facts = {key: source.get(key) for key in ("width", "height", "orientation")}
        known = {key: value for key, value in facts.items() if type(value) is int and value > 0}
        if len(known) < len(facts):
            return self.tiles.about(photo.source)
        return {**known, **pyramid(known["width"], known["height"])}

    def _overview(self, photo: Photo) -> Reply:
        path = photo.names.path(Role.VIEW)
        try:
            if presence.link(path):
                raise NotHere
            return Reply(200, _JPEG, path.read_bytes(), 60)
        except OSError:
            raise NotHere from None

    def _tile(self, photo: Photo, which: str, level: str, place: str) -> Reply:
        column, _, row = place.removesuffix(".jpg").partition("_")
        if not all(v.isascii() and v.isdigit() and len(v) < 5 for v in (level, column, row)):
            raise NotHere
        heal = photo.names.path(Role.HEAL) if which == "after" else None
        if heal is not None and presence.link(heal):
            raise NotHere
        data = self.tiles.tile(photo.source, heal, int(level), int(column), int(row), photo.stamp)
        return Reply(200, _JPEG, data, 3600)

    def _decide(self, photo: Photo, body: Mapping[str, Any]) -> None:
        """Write down one round of wishes; what carries no wish is no change."""
        told, memory = photo.told(), photo.memory()
        spots = {tuple(s.get("box", ())): s for s in told.get("spots", []) if isinstance(s, dict)}
        asked = body.get("spots", [])
        if not isinstance(asked, list) or len(asked) > _MOST_SPOTS:
            raise BadRequest("too many spots")
        size = _table(told, "source")
        try:
            wishes = tuple(Correction.from_json({**_dict(one), "round": 1, "shape": ""}) for one in asked)
            dials = Corrections.from_json({k: body[k] for k in ("strength", "sensitivity") if k in body})
        except EngineError as error:
            raise BadRequest(str(error)) from None
        for wish in wishes:
            x, y, width, height = wish.box
            if x + width > size.get("width", 0) or y + height > size.get("height", 0):
                raise BadRequest("a spot outside of the photo")
        decided = memory.decided.and_then(wishes)
        for name in ("strength", "sensitivity"):
            if name in body:
                decided = replace(decided, **{name: getattr(dials, name)})
        known = (*memory.facts, *({} for _ in memory.decided.spots))[: len(memory.decided.spots)]
        facts = (*known, *(corrections.noted(spots.get(wish.box, {}), _BY_PAGE) for wish in wishes))
        self._keep(photo, replace(memory, decided=decided, facts=facts, approved=""))
        # A mark that a person wants kept is kept in the next photos of the folder as well.
        meant = [(wish.wish, spots[wish.box]) for wish in wishes if wish.box in spots]
        keepsakes.keep_spots(photo.names.folder, told, [s for w, s in meant if w is Wish.KEEP])
        keepsakes.let_go(photo.names.folder, told, [s for w, s in meant if w is not Wish.KEEP])
        self.changed(photo)

    def _approve(self, photo: Photo, *, yes: bool) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told, memory = photo.told(), photo.memory()
        # Right after Apply the result that is meant is on its way.
        pending = told.get("corrections", Corrections().as_json()) != memory.decided.as_json()
        which = "" if pending else record.result_digest(told)
        self._keep(photo, replace(memory, approved=now if yes else "", approved_result=which))

    def _keep(self, photo: Photo, memory: Memory) -> None:
        corrections.write(photo.source, photo.names.folder, memory)
        self.album.forget()


def _on_its_way(photo: Photo) -> bool:
    """Whether the record is there and its TIFF, which comes last, is still the one before."""
    try:
        record_s = photo.names.path(RECORD).stat().st_mtime
        return photo.names.path(Role.RESULT).stat().st_mtime < record_s > time.time() - _PUBLISHING_S
    except OSError:
        return False


def _table(told: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = told.get(key)
    return value if isinstance(value, dict) else {}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _json(told: object) -> Reply:
    return Reply(200, _JSON, json.dumps(told, ensure_ascii=True).encode("ascii"))
