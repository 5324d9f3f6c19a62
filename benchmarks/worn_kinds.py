"""What studios meet on faces that is no blemish: each kind with its size in millimetres, colours and places.

Sizes are those that things are sold in or that hands draw; colours are sRGB of the thing in even light, of
what stains the optical density that it adds. To add a kind is to add an entry.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.worn_draw import (
    Colour,
    Part,
    Range,
    Thing,
    bead,
    blot,
    cross,
    disc,
    facets,
    foil,
    glossy,
    heart,
    in_row,
    in_rows,
    lips,
    metal,
    net,
    petals,
    rays,
    sheen,
    square,
    star,
    teardrop,
    water,
)

PLACES: Mapping[str, tuple[Range, Range]] = {
    "between brows": ((-1, 1), (-22, -11)),
    "forehead": ((-18, 18), (-40, -27)),
    "brow end": ((44, 54), (-14, -8)),
    "under eye": ((22, 42), (15, 21)),
    "temple": ((53, 60), (-6, 8)),
    "cheek": ((24, 42), (24, 44)),
    "before ear": ((56, 64), (10, 34)),
    "nose tip": ((-4, 4), (26, 36)),
    "nose wing": ((13, 18), (30, 37)),
    "upper lip": ((4, 14), (46, 52)),
    "mouth corner": ((24, 34), (52, 72)),
    "chin": ((-12, 12), (78, 90)),
    "neck": ((-25, 25), (112, 140)),
}
"""Millimetres to one side of the middle between the eyes, where both sides are the same, and below it."""
BROWS, FRONT, FACE = (
    ("between brows", "forehead"),
    ("forehead", "temple"),
    ("cheek", "forehead", "chin", "temple", "under eye"),
)
CHEEK, EYE = ("cheek", "temple"), ("under eye", "brow end", "temple")
MOUTH = ("mouth corner", "chin", "cheek", "upper lip")
PIERCED = ("nose wing", "brow end", "mouth corner", "upper lip", "chin")

REDS: tuple[Colour, ...] = ((170, 20, 30), (130, 15, 25), (200, 30, 40), (110, 10, 30), (150, 30, 20))
MAROONS: tuple[Colour, ...] = ((60, 10, 20), (30, 20, 25), (75, 15, 15), (90, 25, 20))
PINKS: tuple[Colour, ...] = ((230, 80, 140), (215, 40, 50), (230, 90, 120), (240, 110, 110))
BRIGHT: tuple[Colour, ...] = ((245, 205, 60), (40, 90, 200), (215, 30, 45), (60, 170, 90), (240, 240, 240))
BLACK, WHITE, GOLD = (25, 22, 24), (242, 240, 236), (215, 175, 90)
CLOTH: tuple[Colour, ...] = (WHITE, BLACK, (240, 235, 225), (120, 15, 30))
METALS: tuple[Colour, ...] = ((190, 190, 195), GOLD, (45, 45, 48))
STONES: tuple[Colour, ...] = (
    (220, 225, 235),
    (235, 120, 160),
    (90, 150, 230),
    (235, 190, 80),
    (60, 180, 120),
)
RED_STONES: tuple[Colour, ...] = ((190, 20, 40), (150, 10, 30), (220, 60, 90))
PEARL: tuple[Colour, ...] = ((238, 232, 222), (235, 215, 210))
FOOD: tuple[Colour, ...] = ((190, 140, 80), (150, 95, 50), (215, 180, 125), (90, 55, 35))
VERMILION: tuple[Colour, ...] = ((0.12, 1.0, 0.8), (0.2, 1.9, 1.5), (0.2, 1.5, 1.2))
LIPSTICK: tuple[Colour, ...] = ((0.06, 0.5, 0.36), (0.1, 0.8, 0.6), (0.15, 1.1, 0.8))
PINK_LIPSTICK: tuple[Colour, ...] = ((0.03, 0.5, 0.2), (0.05, 0.9, 0.4), (0.25, 0.9, 0.35))
HENNA: tuple[Colour, ...] = ((0.15, 0.45, 0.65), (0.2, 0.65, 0.9), (0.3, 0.95, 1.3))
PENCIL: tuple[Colour, ...] = ((0.22, 0.38, 0.5), (0.36, 0.6, 0.8), (0.5, 0.82, 1.1))
INK: tuple[Colour, ...] = ((1.4, 1.0, 0.5), (1.3, 1.3, 1.3), (0.2, 1.6, 1.3))
ASH: tuple[Colour, ...] = ((0.4, 0.37, 0.34), (0.75, 0.7, 0.65))
POWDER: tuple[Colour, ...] = ((0.1, 1.2, 0.5), (0.05, 0.25, 1.3), (1.0, 0.2, 0.8), (1.1, 0.6, 0.1))
CLEAR: tuple[Colour, ...] = ((0.0, 0.0, 0.0),)
PLASTER: tuple[Colour, ...] = ((215, 165, 130), (225, 190, 165), (150, 105, 80))

WORN: Mapping[str, Thing] = {
    "bindi": Thing(BROWS, (3, 11), (Part(disc, REDS),), raised=True),
    "small bindi": Thing(BROWS, (1.5, 4), (Part(disc, REDS),), raised=True),
    "dark bindi": Thing(BROWS, (2.5, 8), (Part(disc, MAROONS),), raised=True),
    "drop-shaped bindi": Thing(BROWS, (2.5, 5), (Part(teardrop, REDS, tall=(1.6, 2.6)),), raised=True),
    "stone": Thing(EYE, (1.5, 5), (Part(disc, STONES, finish=facets),), raised=True),
    "red stone": Thing((*EYE, *BROWS), (1.5, 5), (Part(disc, RED_STONES, finish=facets),), raised=True),
    "tear gem": Thing(
        ("under eye",), (2, 4), (Part(teardrop, STONES, finish=facets, tall=(1.4, 1.8)),), raised=True
    ),
    "row of stones": Thing(
        EYE, (1.6, 2.6), (Part(disc, STONES, finish=facets),), (4, 7), in_row, (3.2, 4), raised=True
    ),
    "pearl": Thing((*EYE, "cheek"), (2, 5), (Part(disc, PEARL, finish=bead),), raised=True),
    "row of pearls": Thing(
        EYE, (2, 4), (Part(disc, PEARL, finish=bead),), (3, 6), in_row, (4.2, 6), raised=True
    ),
    "sequin": Thing(
        CHEEK,
        (3, 6),
        (Part(disc, (*STONES, GOLD, (200, 30, 50)), finish=foil), Part(disc, (BLACK,), size=0.15)),
        (1, 3),
        apart_mm=(5, 9),
        raised=True,
    ),
    "glitter": Thing(
        EYE,
        (0.25, 0.9),
        (Part(square, (*STONES, *PINKS, GOLD), finish=foil),),
        (25, 60),
        alike=False,
        turned=45,
    ),
    "piercing": Thing(PIERCED, (2, 4), (Part(disc, METALS, finish=metal),), raised=True),
    "dull piercing": Thing(PIERCED, (1.2, 2.5), (Part(disc, FOOD[:2], finish=bead),), raised=True),
    "red piercing": Thing(PIERCED, (1.5, 3), (Part(disc, RED_STONES, finish=facets),), raised=True),
    "nose ring": Thing(
        ("nose wing",), (7, 10), (Part(disc, METALS, finish=foil, stroke_mm=1.0),), raised=True
    ),
    "hanging bead": Thing(
        ("forehead", "neck"),
        (3, 7),
        (Part(square, (GOLD,), size=0.08, tall=(12, 12), at=(0, -1.8)), Part(disc, REDS, finish=bead)),
        raised=True,
    ),
    "beads": Thing(
        ("neck",),
        (3, 7),
        (Part(disc, (*REDS, *PEARL, *FOOD), finish=bead),),
        (6, 9),
        in_row,
        (5, 7),
        raised=True,
    ),
}
"""Stuck to the skin, through it or hung on it."""
PAINTED: Mapping[str, Thing] = {
    "tilak": Thing(("forehead",), (1.5, 4), (Part(square, VERMILION, True, patchy=0.15, tall=(6, 9)),)),
    "tilak by thumb": Thing(
        BROWS, (3, 7), (Part(disc, VERMILION, True, patchy=0.3, tall=(1.2, 2.2), soft_mm=(0.3, 0.8)),)
    ),
    "kumkum": Thing(BROWS, (3.5, 10), (Part(blot, VERMILION, True, patchy=0.25, soft_mm=(0.15, 0.5)),)),
    "sindoor": Thing(
        ("forehead",), (2, 4), (Part(square, VERMILION, True, patchy=0.4, tall=(4, 6), soft_mm=(0.4, 0.7)),)
    ),
    "sandal paste": Thing(BROWS, (4, 9), (Part(blot, ((225, 185, 110),), opacity=(0.75, 0.9)),)),
    "row of red dots": Thing(FRONT, (1.2, 2.6), (Part(disc, REDS),), (4, 8), in_row, (3.6, 4)),
    "row of red and white dots": Thing(
        FRONT, (1.2, 2.2), (Part(disc, REDS), Part(disc, (WHITE,), at=(3, 0))), (3, 5), in_row, (6.4, 7)
    ),
    "row of henna dots": Thing(FRONT, (0.9, 2), (Part(disc, HENNA, True),), (5, 9), in_row, (2.4, 2.8)),
    "henna flower": Thing(CHEEK, (5, 10), (Part(petals, HENNA, True), Part(disc, HENNA, True, size=0.2))),
    "painted dots": Thing(
        FACE, (1.2, 3), (Part(disc, (*BRIGHT, *PINKS, BLACK), opacity=(0.8, 0.95)),), (3, 8), apart_mm=(6, 6)
    ),
    "painted whiskers": Thing(
        ("cheek",),
        (14, 22),
        (Part(rays, (BLACK,), opacity=(0.7, 0.95), tall=(0.5, 0.8), stroke_mm=1.4),),
        turned=15,
    ),
    "painted whisker dots": Thing(
        ("upper lip", "cheek"), (0.9, 1.8), (Part(disc, (BLACK,)),), (3, 6), apart_mm=(4, 5)
    ),
    "painted heart": Thing(CHEEK, (3, 10), (Part(heart, PINKS),)),
    "painted star": Thing(CHEEK, (4, 12), (Part(star, BRIGHT),), turned=20),
    "painted flower": Thing(CHEEK, (5, 12), (Part(petals, PINKS), Part(disc, ((245, 205, 60),), size=0.28))),
    "clown's nose": Thing(("nose tip",), (9, 20), (Part(disc, REDS, opacity=(0.6, 0.9), soft_mm=(0.3, 1)),)),
    "clown's cheek": Thing(("cheek",), (6, 14), (Part(disc, PINKS, opacity=(0.5, 0.9), soft_mm=(0.2, 0.6)),)),
    "drawn freckles": Thing(
        ("nose tip", "cheek"), (0.6, 1.7), (Part(blot, PENCIL, True),), (12, 28), apart_mm=(6, 8), alike=False
    ),
    "henna freckles": Thing(
        ("nose tip", "cheek"), (0.6, 1.6), (Part(disc, HENNA, True),), (12, 28), apart_mm=(6, 8), alike=False
    ),
    "drawn beauty mark": Thing(
        ("cheek", "mouth corner", "upper lip"),
        (1.2, 3),
        (Part(disc, ((45, 25, 20), (70, 40, 30), BLACK), opacity=(0.75, 0.97), tall=(0.85, 1.1)),),
    ),
    "temporary tattoo": Thing(
        (*CHEEK, "neck"),
        (8, 16),
        (Part(heart, (*BRIGHT, *PINKS), opacity=(0.75, 0.95)), Part(heart, (BLACK,), stroke_mm=0.6)),
    ),
    "tattooed outline": Thing(
        (*CHEEK, "neck"), (5, 12), (Part(star, ((35, 35, 45), (40, 60, 90)), stroke_mm=0.7),)
    ),
    "dot by pen": Thing(FACE, (0.8, 2), (Part(disc, INK, True),)),
    "red marker": Thing(FACE, (2, 6), (Part(blot, VERMILION, True),)),
    "print of lips": Thing(
        CHEEK, (20, 32), (Part(lips, LIPSTICK, True, patchy=0.5, soft_mm=(0.2, 0.4)),), turned=30
    ),
    "smear of lipstick": Thing(
        ("cheek", "mouth corner"), (3, 8), (Part(blot, LIPSTICK, True, patchy=0.3, soft_mm=(0.2, 0.5)),)
    ),
    "smear of pink lipstick": Thing(
        ("cheek", "mouth corner"), (3, 8), (Part(blot, PINK_LIPSTICK, True, patchy=0.3, soft_mm=(0.2, 0.5)),)
    ),
    "false blood": Thing(
        FACE, (0.8, 3.5), (Part(blot, ((120, 8, 12),), finish=glossy),), (2, 6), apart_mm=(4, 5), alike=False
    ),
    "cross of ash": Thing(
        ("forehead",), (14, 24), (Part(cross, ASH, True, patchy=0.5, stroke_mm=6, soft_mm=(0.6, 1)),)
    ),
    "blusher": Thing(("cheek",), (18, 30), (Part(disc, LIPSTICK, True, opacity=(0.3, 0.7), soft_mm=(2, 4)),)),
    "Holi powder": Thing(FACE, (6, 18), (Part(blot, POWDER, True, patchy=0.4, soft_mm=(0.4, 1.5)),)),
    "smudge of ash": Thing(FACE, (5, 12), (Part(blot, ASH, True, patchy=0.5, soft_mm=(0.6, 1)),)),
}
"""Laid on as colour."""
SPILT: Mapping[str, Thing] = {
    "crumb": Thing(MOUTH, (1, 3), (Part(blot, FOOD, patchy=0.1),), (1, 4), apart_mm=(3, 6), raised=True),
    "jam": Thing(
        MOUTH, (2, 6), (Part(blot, ((140, 15, 20), (170, 30, 20), (90, 40, 20)), finish=glossy),), raised=True
    ),
    "tomato sauce": Thing(
        MOUTH, (3, 9), (Part(blot, VERMILION, True, patchy=0.3, finish=glossy, tall=(0.5, 1)),), turned=60
    ),
    "chocolate": Thing(
        MOUTH, (2, 8), (Part(blot, PENCIL, True, patchy=0.3, finish=glossy, tall=(0.5, 1)),), turned=60
    ),
    "drop of water": Thing(FACE, (1.5, 4.5), (Part(disc, CLEAR, True, finish=water, tall=(0.95, 1.25)),)),
    "rain": Thing(
        FACE,
        (0.8, 3),
        (Part(disc, CLEAR, True, finish=water, tall=(0.9, 1.4)),),
        (5, 14),
        apart_mm=(8, 9),
        alike=False,
    ),
    "sweat": Thing(
        ("forehead", "nose tip", "upper lip"),
        (0.3, 0.9),
        (Part(disc, CLEAR, True, finish=sheen),),
        (20, 50),
        apart_mm=(6, 6),
        alike=False,
    ),
    "tear": Thing(("cheek",), (1.6, 2.6), (Part(teardrop, CLEAR, True, finish=water, tall=(4, 7)),)),
    "sand": Thing(
        FACE,
        (0.3, 0.9),
        (Part(blot, (*FOOD[:3], WHITE)),),
        (25, 60),
        apart_mm=(7, 7),
        alike=False,
        raised=True,
    ),
    "ladybird": Thing(
        CHEEK,
        (4, 6),
        (
            Part(disc, (BLACK,), size=0.5, at=(0, -1)),
            Part(disc, ((200, 35, 20),), finish=bead, tall=(1.1, 1.1)),
            *(Part(disc, (BLACK,), size=0.2, at=(x, y)) for x in (-0.5, 0.5) for y in (-0.3, 0.5)),
        ),
        raised=True,
    ),
}
"""Fallen on."""
BEFORE: Mapping[str, Thing] = {
    "dotted veil": Thing(
        ("cheek", "forehead"), (1.5, 3.5), (Part(disc, CLOTH),), (4, 5), in_rows, (9, 14), raised=True
    ),
    "red veil": Thing(
        ("cheek", "forehead"), (1.5, 3.5), (Part(disc, REDS),), (4, 5), in_rows, (9, 14), raised=True
    ),
    "fine veil": Thing(
        ("cheek", "forehead"), (1, 2.2), (Part(disc, (WHITE, BLACK, *REDS)),), (5, 7), in_rows, (6, 9)
    ),
    "net with knots": Thing(
        ("cheek",),
        (70, 70),
        (
            Part(net, (BLACK,), opacity=(0.4, 0.6), stroke_mm=0.12),
            *(Part(disc, (BLACK,), size=0.03, at=(x / 4, y / 4)) for x in (-2, 0, 2) for y in (-2, 0, 2)),
        ),
    ),
    "mosquito net": Thing(
        ("cheek", "forehead"), (70, 70), (Part(net, CLOTH, opacity=(0.4, 0.8), stroke_mm=0.2),)
    ),
    "lace": Thing(
        ("cheek", "neck"),
        (3.5, 4.5),
        (Part(petals, CLOTH[:2]),),
        (5, 5),
        in_rows,
        (6, 6),
        raised=True,
    ),
    "confetti": Thing(
        FACE,
        (2, 6),
        (Part(square, (*BRIGHT, *PINKS), tall=(0.3, 1), soft_mm=(0.1, 0.8)),),
        (1, 3),
        apart_mm=(7, 7),
        alike=False,
        turned=90,
    ),
    "red confetti": Thing(FACE, (2, 7), (Part(disc, PINKS, tall=(0.4, 1), soft_mm=(0.1, 1)),), turned=90),
    "petal": Thing(
        FACE,
        (6, 13),
        (Part(disc, (*PINKS, (245, 200, 210), (150, 15, 40)), tall=(0.45, 0.9), soft_mm=(0.1, 1)),),
        turned=90,
        raised=True,
    ),
    "snow": Thing(
        FACE,
        (1, 5),
        (Part(disc, (WHITE,), opacity=(0.5, 0.95), soft_mm=(0.2, 1)),),
        (4, 10),
        apart_mm=(9, 9),
        alike=False,
    ),
    "rice": Thing(
        FACE,
        (6, 6.5),
        (Part(disc, ((240, 235, 220),), tall=(0.28, 0.32), soft_mm=(0.1, 0.5)),),
        (3, 7),
        apart_mm=(9, 9),
        turned=90,
    ),
    "painted nail": Thing(
        ("cheek", "chin"),
        (8, 11),
        (Part(disc, (*REDS, *PINKS), finish=glossy, tall=(1.1, 1.4)),),
        raised=True,
    ),
}
"""Between the face and the camera."""
MEDICAL: Mapping[str, Thing] = {
    "round plaster": Thing(
        FACE, (18, 24), (Part(disc, PLASTER), Part(disc, PLASTER, opacity=(0.3, 0.5), size=0.45)), raised=True
    ),
    "plaster": Thing(
        ("cheek", "forehead"),
        (40, 56),
        (
            Part(square, PLASTER, tall=(0.3, 0.35)),
            Part(square, PLASTER, opacity=(0.2, 0.4), size=0.35, tall=(0.6, 0.7)),
        ),
        raised=True,
        turned=30,
    ),
    "acne patch": Thing(
        FACE,
        (8, 12),
        (
            Part(disc, ((225, 205, 190),), opacity=(0.12, 0.35), finish=glossy),
            Part(disc, ((240, 232, 222),), opacity=(0.2, 0.7), size=0.35, soft_mm=(0.4, 0.8)),
        ),
        raised=True,
    ),
    "patch over a pimple": Thing(
        FACE,
        (8, 12),
        (
            Part(disc, ((0.08, 0.5, 0.4), (0.06, 0.35, 0.27)), True, size=0.25, soft_mm=(0.3, 0.6)),
            Part(disc, ((225, 205, 190),), opacity=(0.12, 0.35), finish=glossy),
        ),
        raised=True,
    ),
    "tape over a tube": Thing(
        ("cheek",),
        (16, 24),
        (
            Part(square, ((235, 240, 240), (205, 225, 225)), size=2.2, tall=(0.06, 0.08), finish=glossy),
            Part(square, ((240, 238, 232), (220, 180, 150)), opacity=(0.6, 0.95), tall=(0.5, 0.9)),
        ),
        raised=True,
    ),
    "ECG electrode": Thing(
        ("neck",),
        (22, 30),
        (Part(disc, (WHITE, (225, 200, 175))), Part(disc, METALS[:1], finish=metal, size=0.3)),
        raised=True,
    ),
    "dot of a hearing aid": Thing(
        ("before ear",),
        (1.5, 3),
        (Part(disc, ((200, 25, 40), (40, 80, 190), (190, 160, 135)), finish=bead),),
        raised=True,
    ),
}
"""Put there to heal or to help."""
KINDS: Mapping[str, Thing] = {**WORN, **PAINTED, **SPILT, **BEFORE, **MEDICAL}
