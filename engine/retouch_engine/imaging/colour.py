"""Showing a photo's colours to code that thinks in sRGB.

The photo's own samples are never converted: only what is measured or shown goes through littleCMS.
"""

from __future__ import annotations

import imagecodecs
import numpy as np

from retouch_engine.types import Samples, packed

_ALIKE = 0.006
"""Largest difference, of full scale, at which a profile may be taken for sRGB itself."""


def is_srgb(profile: bytes | None) -> bool:
    """Whether samples under this profile may be read as sRGB: there is none, or it says nearly the same.

    A profile that littleCMS cannot use is taken for sRGB too: it still travels with the file untouched.
    """
    if profile is None:
        return True
    steps = np.linspace(0, 65535, 5, dtype=np.uint16)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    converted = _transformed(probe, profile)
    if converted is None:
        return True
    return bool(np.abs(converted.astype(np.int32) - probe).max() <= _ALIKE * 65535)


def to_srgb(samples: Samples, profile: bytes | None) -> Samples:
    """``(h, w, 3)`` samples as sRGB, same dtype; unchanged without a usable RGB profile."""
    if profile is None:
        return samples
    converted = _transformed(packed(samples), profile)
    return samples if converted is None else converted


def _transformed(samples: Samples, profile: bytes) -> Samples | None:
    """None when the profile is not one for RGB or is broken."""
    if profile[16:20] != b"RGB ":
        return None
    try:
        return np.asarray(
            imagecodecs.cms_transform(
                samples, profile, imagecodecs.cms_profile("srgb"), colorspace="rgb", outcolorspace="rgb"
            )
        )
    except (imagecodecs.CmsError, ValueError, RuntimeError):
        return None
