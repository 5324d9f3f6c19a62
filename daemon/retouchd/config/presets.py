"""The presets that come with retouchd, each as what it changes: plain values, no array library, no model.

``studio`` is the default. A configuration that names one of them changes it and does not replace it: a school
that sets only a strength still locks what is permanent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retouch_engine import Kind

BUILT_IN_PRESET = "studio"
BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    BUILT_IN_PRESET: {},
    # Parents want the child they know: temporary blemishes only, the rest stays and is not asked about.
    "school": {
        "sensitivity": 40,
        "remove": (Kind.PIMPLE, Kind.RED_SPOT, Kind.SCAB),
        "review": (Kind.COMEDO, Kind.UNKNOWN),
    },
    "beauty": {
        "sensitivity": 65,
        "remove": (
            *(Kind.PIMPLE, Kind.RED_SPOT, Kind.SCAB, Kind.WHITEHEAD, Kind.FLAKE),
            *(Kind.BROWN_SPOT, Kind.COMEDO),
        ),
        "review": (Kind.UNKNOWN,),
    },
    "minimal": {"sensitivity": 15, "remove": (Kind.PIMPLE, Kind.SCAB), "review": ()},
}


def with_built_in(presets: Any) -> Any:
    """Raw presets of a configuration laid over the built-in ones; what is no table is left to the checks."""
    if not isinstance(presets, Mapping):
        return presets
    merged = {name: _over(values, presets.get(name, {})) for name, values in BUILT_IN.items()}
    return {**merged, **{name: values for name, values in presets.items() if name not in BUILT_IN}}


def _over(built_in: Mapping[str, Any], wanted: Any) -> Any:
    if not isinstance(wanted, Mapping):
        return wanted
    result = {**built_in, **wanted}
    # A kind that the configuration lists in one place leaves the other, where that one is inherited.
    for named, other in (("remove", "review"), ("review", "remove")):
        if isinstance(wanted.get(named), (list, tuple)) and other not in wanted and other in built_in:
            result[other] = tuple(kind for kind in built_in[other] if kind not in wanted[named])
    return result
