"""A second network, which sees one find at a time: to be healed, belonging to the person, or nothing?

The first network (``spotnet``) looks at all skin and learned from pixels. This one begins with the first's
first layers, sees a find in the middle of 13 mm of skin, and learned from finds, the doubtful ones left out
(``benchmarks.spots.train_judge``, ``spots.md``): between a red spot and a mole it errs less. Like the first
it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum
from pathlib import Path

import numpy as np

from retouch_engine.detect.finds import Find, worth_it
from retouch_engine.detect.spotnet import AT_ONCE, CLOSE, Image, Network, View, cut
from retouch_engine.threads import borrowed

MODEL_PATH = Path(__file__).with_name("judge.onnx")
_BATCH = 32


class Verdict(IntEnum):
    """The network's answers, in its order; their odds add up to 1."""

    BLEMISH = 0
    PERMANENT = 1
    NOTHING = 2


JUDGED = tuple(f"judged_{verdict.name.lower()}" for verdict in (Verdict.BLEMISH, Verdict.PERMANENT))


def judged(finds: Sequence[Find], seen: View, network: Network) -> list[Find]:
    """Every find, those worth it with the verdict's figures beside the others.

    Args:
        finds: of this view.
        seen: the first network's look.
        network: the one at :data:`MODEL_PATH`, or another of its sort.
    """
    some = [i for i, find in enumerate(finds) if worth_it(find.figures)]
    shown = np.array([cut(seen.rgb, *finds[i].cell) for i in some], np.uint8)
    total = list(finds)
    for i, figures in zip(some, verdicts(shown.reshape(-1, CLOSE, CLOSE, 3), network), strict=True):
        total[i] = replace(finds[i], figures=finds[i].figures | figures)
    return total


def verdicts(shown: Image, network: Network) -> list[dict[str, float]]:
    """The figures :data:`JUDGED` of squares ``(n, 64, 64, 3)``: the mean of each and its mirror image."""
    batches = [shown[start : start + _BATCH] for start in range(0, len(shown), _BATCH)]
    with borrowed("looks", AT_ONCE) as hands:
        said = hands.map(network.odds, [*batches, *(some[:, :, ::-1] for some in batches)])
    both = zip(said[: len(batches)], said[len(batches) :], strict=True)
    return [
        dict(zip(JUDGED, odds, strict=False))
        for plain, mirrored in both
        for odds in ((plain + mirrored) / 2).tolist()
    ]
