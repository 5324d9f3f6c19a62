"""What becomes of things that are worn, painted, spilt or in the air: rendered on portraits of every tone.

    python -m benchmarks.worn DATA_DIR [--each 8] [--kind NAME ...] [--look NAME] [--without-rules]

Each kind of ``benchmarks.worn_kinds`` is laid on people from the lightest to the darkest of both public sets,
at its real size and lit as their faces are, one thing to a photo, away from labelled marks and from what is
healed without it. The photo is packed as JPEG, as an export is, and goes through the engine's front door.
*healed* counts things of which any part would be healed. Chance comes from the seed alone: the same command
gives the same figures.

Rendered things tell whether a kind is known, not how often it is met; nothing learns from them.
``--without-rules`` takes what ``retouch_engine.detect.worn`` knows away, ``--sheets`` shows what was asked.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import imagecodecs
import numpy as np
from benchmarks.detect_score import typology_angle
from benchmarks.files import write_photo
from benchmarks.grades import GRADES, QUALITY, Grading
from benchmarks.skin import Float, Rng, sensor
from benchmarks.spots.labels import Portrait, portraits
from benchmarks.tones import BANDS, unmarked
from benchmarks.worn_draw import Drawn, Thing, drawn
from benchmarks.worn_kinds import KINDS, PLACES
from numpy.typing import NDArray

from retouch_engine import Decision, Engine, Order, Recipe, open_engine
from retouch_engine.detect import kinds, lines
from retouch_engine.imaging.density import density, encode
from retouch_engine.imaging.masks import distance_inside
from retouch_engine.survey import survey
from retouch_engine.types import Bool, Box

SEED = 7
Eight = NDArray[np.uint8]
Ask = Callable[[Eight], list[Mapping[str, Any]]]
"""What a photo's decision record says of its spots."""
_TRIES = 60
_GOLDEN = 5**0.5 / 2 - 0.5
"""Steps of so much of a round come evenly everywhere, however many there are."""
_ROOM_MM = 1.0
_BLUR_MM = 0.25
"""What both sets resolve."""
_SHADE_MM, _RELIEF_MM = 3.0, 0.6
_SEEN = 8
"""Of 255: by less nobody sees that something lies there."""
_USUAL, _CAST = np.array([0.55, 0.32, 0.24]), 0.4
"""Light from usual skin in usual light, and how much of a face's difference from it is the light's."""
_ON_IT, _OF_IT = 0.3, 0.2
"""A find is of the thing that covers so much of its box, or that it holds so much of."""
_TILE, _ACROSS = 160, 6
FATES = ("healed", "offered", "left alone")


@dataclass(frozen=True, slots=True)
class Lit:
    """The light on a face and what the camera adds."""

    level: float
    """Of clean skin, linear, 0 to 1."""
    cast: Float
    """Of three channels, 1 in the mean."""
    noise: float
    """Deviation, of 255."""

    @classmethod
    def of(cls, pixels: Eight, clean: Bool) -> Lit:
        """As clean skin tells."""
        skin = np.median(np.exp(-density(pixels[clean])), axis=0)
        cast = (skin / skin.mean() / (_USUAL / _USUAL.mean())) ** _CAST
        values = pixels.astype(np.float32)
        fine = values - cv2.GaussianBlur(values, (0, 0), 1.0)
        noise = 1.48 * float(np.median(np.abs(fine[clean])))
        return cls(float(skin.mean()), np.asarray(cast / cast.mean(), np.float32), noise)


@dataclass(frozen=True, slots=True)
class Sitter:
    """A portrait to lay things on."""

    pixels: Eight
    middle: tuple[float, float]
    """Between the eyes, x and y."""
    px_per_mm: float
    angle: float
    """The skin's typology angle, degrees."""
    clean: Bool
    lit: Lit
    healed: tuple[Box, ...] = ()
    """What is healed without anything on it."""


def sitter(portrait: Portrait) -> Sitter | None:
    """Look at one portrait; None without a face that has both eyes and some clean skin."""
    photo = portrait.photo()
    scene = survey(photo)
    scale = scene.scale.px_per_mm
    if not scene.faces or len(scene.faces[0].eyes) < 2 or not scale:
        return None
    clean = unmarked(portrait, scene, scale)
    if not clean.any():
        return None
    (x, y), (x1, y1) = scene.faces[0].eyes
    angle = typology_angle(portrait.pixels[::4, ::4], clean[::4, ::4])
    lit = Lit.of(portrait.pixels, clean)
    return Sitter(portrait.pixels, ((x + x1) / 2, (y + y1) / 2), scale, angle, clean, lit)


def seen_bare(whose: Sitter, ask: Ask) -> Sitter:
    """The same, knowing what is healed without anything on it, and clean where nothing is."""
    clean = whose.clean.copy()
    healed = tuple(_box(spot) for spot in ask(whose.pixels) if _fate(spot) == "healed")
    for box in healed:
        clean[box.grown(round(_ROOM_MM * whose.px_per_mm), *clean.shape).slices] = False
    return replace(whose, clean=clean, healed=healed)


def previewed(engine: Engine, look: Grading, pixels: Eight) -> list[Mapping[str, Any]]:
    """The spots of the decision record that a JPEG of these pixels has under a look."""
    shown = np.rint(255 * np.clip(look(pixels.astype(np.float32) / np.float32(255)), 0, 1)).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        source, staging = Path(folder) / "photo.jpg", Path(folder) / "staging"
        staging.mkdir()
        source.write_bytes(imagecodecs.jpeg_encode(shown, level=QUALITY, subsampling="444"))
        return list(engine.preview(Order(source, staging, Recipe()), lambda _stage: None)["spots"])


def _box(spot: Mapping[str, Any]) -> Box:
    x, y, width, height = spot["box"]
    return Box(y, x, y + height, x + width)


def _fate(spot: Mapping[str, Any]) -> str:
    if spot["decision"] == Decision.HEALED:
        return "healed"
    return "left alone" if spot["decision"] == Decision.KEPT else "offered"


def chosen(data: Path, count: int, ask: Ask) -> list[Sitter]:
    """So many people of both sets, evenly from the darkest to the lightest."""
    angles: dict[Path, float] = {}
    for portrait in portraits(data):
        if "faces" in portrait.path.parts and (one := sitter(portrait)) is not None:
            angles[portrait.path] = one.angle
    ordered = sorted(angles, key=angles.__getitem__)
    wanted = {ordered[n * len(ordered) // count] for n in range(count)}
    seen = [sitter(portrait) for portrait in portraits(data) if portrait.path in wanted]
    return sorted((seen_bare(one, ask) for one in seen if one is not None), key=lambda one: one.angle)


def laid(whose: Sitter, thing: Drawn, x: int, y: int, rng: Rng) -> Eight:
    """The portrait with a thing whose middle lies at (x, y)."""
    half, (height, width) = thing.cover.shape[0] // 2, whose.pixels.shape[:2]
    box = Box(max(0, y - half), max(0, x - half), min(height, y + half), min(width, x + half))
    inner = (slice(box.y0 - y + half, box.y1 - y + half), slice(box.x0 - x + half, box.x1 - x + half))
    sigma = _BLUR_MM * whose.px_per_mm
    cover, light, stain, shine = (
        cv2.GaussianBlur(layer, (0, 0), sigma)[inner]
        for layer in (thing.cover, thing.light, thing.stain, thing.shine)
    )
    skin = np.exp(-density(whose.pixels[box.slices]))
    tone = skin.mean(axis=-1)
    shade = np.clip(cv2.GaussianBlur(tone, (0, 0), _SHADE_MM * whose.px_per_mm) / whose.lit.level, 0.35, 1.5)
    if not thing.raised:
        coarse = cv2.GaussianBlur(tone, (0, 0), _RELIEF_MM * whose.px_per_mm)
        light = light * np.sqrt(np.clip(tone / coarse, 0.7, 1.3))[..., None]
    seen = skin * np.exp(-stain) * (1 - cover[..., None])
    seen += (light * whose.lit.cast + shine[..., None]) * shade[..., None]
    shown = 255 * np.clip(encode(-np.log(np.maximum(seen, 1e-4))), 0, 1)
    shown += whose.lit.noise * cover[..., None] * sensor(cover.shape, rng)
    pixels = whose.pixels.copy()
    touched = (cover > 0.004) | (np.abs(stain).max(axis=-1) > 0.004) | (shine > 0.004)
    pixels[box.slices][touched] = np.clip(shown + 0.5, 0, 255).astype(np.uint8)[touched]
    return pixels


def somewhere(whose: Sitter, thing: Thing, first: int, rng: Rng) -> tuple[int, int] | None:
    """Clean skin at one of a kind's places, of which ``first`` is asked first; None where there is none."""
    room = distance_inside(whose.clean) > _ROOM_MM * whose.px_per_mm
    for number in range(len(thing.places)):
        across, down = PLACES[thing.places[(first + number) % len(thing.places)]]
        for _ in range(_TRIES):
            aside, below = rng.uniform(*across) * rng.choice((-1, 1)), rng.uniform(*down)
            x = round(whose.middle[0] + aside * whose.px_per_mm)
            y = round(whose.middle[1] + below * whose.px_per_mm)
            if 0 <= y < room.shape[0] and 0 <= x < room.shape[1] and room[y, x]:
                return x, y
    return None


def worst(spots: Sequence[Mapping[str, Any]], covered: Bool, before: Sequence[Box]) -> str:
    """What became of a thing at worst: healed, offered or left alone.

    Args:
        spots: the record's.
        covered: where the thing is seen.
        before: what was healed without it.
    """
    whole, fates = np.count_nonzero(covered), {"left alone"}
    for spot in spots:
        box = _box(spot)
        on = np.count_nonzero(covered[box.slices])
        its = on > _ON_IT * box.height * box.width or on > _OF_IT * whole
        if its and not any(box.meets(other) for other in before):
            fates.add(_fate(spot))
    return next(fate for fate in FATES if fate in fates)


@dataclass(frozen=True, slots=True)
class Rendering:
    """One thing on one portrait."""

    angle: float
    """The skin's, degrees."""
    fate: str
    view: Eight
    """The thing and what lies around it, as the engine saw it before packing."""


def renderings(people: Sequence[Sitter], name: str, each: int, seed: int, ask: Ask) -> Iterator[Rendering]:
    """One kind so many times, on skin of every tone; fewer where somebody's has no room for it."""
    begun = np.random.default_rng([seed, *name.encode()]).uniform()
    for number in range(each):
        rng = np.random.default_rng([seed, number, *name.encode()])
        whose = people[int(len(people) * ((begun + number * _GOLDEN) % 1))]
        at = somewhere(whose, KINDS[name], number, rng)
        if at is None:
            continue
        pixels = laid(whose, drawn(KINDS[name], whose.px_per_mm, rng), *at, rng)
        covered = np.abs(pixels.astype(int) - whose.pixels).max(axis=-1) > _SEEN
        fate = worst(ask(pixels), covered, whose.healed)
        yield Rendering(whose.angle, fate, _view(pixels, *at))


def _view(pixels: Eight, x: int, y: int) -> Eight:
    """A tile around a place, framed in grey where the picture ends."""
    framed = np.pad(pixels, ((_TILE, _TILE), (_TILE, _TILE), (0, 0)), constant_values=128)
    return framed[y + _TILE // 2 : y + _TILE // 2 + _TILE, x + _TILE // 2 : x + _TILE // 2 + _TILE]


def sheet(shown: Sequence[Rendering]) -> Eight:
    """All of a kind at 100 %, a bar below each: red where it was healed, yellow where it was offered."""
    bars = {"healed": (220, 30, 30), "offered": (230, 200, 40), "left alone": (90, 90, 90)}
    tiles = [np.concatenate([r.view, np.full((6, _TILE, 3), bars[r.fate], np.uint8)]) for r in shown]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % _ACROSS)
    rows = [np.concatenate(tiles[n : n + _ACROSS], axis=1) for n in range(0, len(tiles), _ACROSS)]
    return np.concatenate(rows)


def line(name: str, fates: Counter[str]) -> str:
    """One row of the table."""
    return f"  {name:28s}{fates.total():9d}" + "".join(f"{fates[fate]:12d}" for fate in FATES)


def main() -> None:
    """Render, ask, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worn", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--each", type=int, default=8, help="renderings of each kind; fewer are the first of more"
    )
    parser.add_argument("--people", type=int, default=30, help="from the lightest to the darkest")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this one")
    parser.add_argument("--look", default="as it is", choices=list(GRADES), help="of benchmarks.grades")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--without-rules", action="store_true", help="as if nothing were known of what is worn"
    )
    parser.add_argument("--sheets", type=Path, help="a PNG of each kind there, to look at")
    given = parser.parse_args()
    with ExitStack() as stack:
        if given.without_rules:
            for module, rule in ((lines, "no_skin"), (kinds, "no_skin"), (lines, "among_worn")):
                stack.enter_context(mock.patch.object(module, rule, return_value=""))
        report(given, partial(previewed, stack.enter_context(open_engine()), GRADES[given.look]))


def report(given: argparse.Namespace, ask: Ask) -> None:
    """Measure and print, one kind after the other."""
    begun = time.perf_counter()
    people = chosen(given.data, given.people, ask)
    tones = f"typology angle {people[0].angle:.0f} to {people[-1].angle:.0f}"
    print(f"{len(people)} people, {tones}, {given.look}; seed {given.seed}, {given.each} of each kind")
    print(f"  {'':28s} rendered" + "".join(f"{fate:>12s}" for fate in FATES))
    whole: list[Rendering] = []
    for name in given.kind or KINDS:
        shown = list(renderings(people, name, given.each, given.seed, ask))
        print(line(name, Counter(r.fate for r in shown)), flush=True)
        whole += shown
        if given.sheets and shown:
            write_photo(given.sheets / f"{name}.png", sheet(shown))
    for band, (low, high) in BANDS.items():
        print(line(f"skin {band} degrees", Counter(r.fate for r in whole if low <= r.angle < high)))
    print(line("all", Counter(r.fate for r in whole)))
    print(f"  {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
