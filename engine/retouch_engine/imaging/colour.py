"""Showing a photo's colours to code that thinks in sRGB.

The photo's own samples are never converted: only what is measured or shown goes through littleCMS.
"""

from __future__ import annotations

import imagecodecs
import numpy as np

from retouch_engine.types import Samples, packed

_GREY = b"GRAY"
_SPACES = {b"RGB ": "rgb", _GREY: "gray"}
"""Bytes 16 to 20 of an ICC header: littleCMS's word for how the samples lie."""
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
    if profile[16:20] == _GREY:
        ramp = np.linspace(0, 65535, 33, dtype=np.uint16)
        probe = np.repeat(ramp[None, :, None], 3, axis=2)
    converted = _transformed(probe, profile)
    if converted is None:
        return True
    return bool(np.abs(converted.astype(np.int32) - probe).max() <= _ALIKE * 65535)


def to_srgb(samples: Samples, profile: bytes | None) -> Samples:
    """``(h, w, 3)`` samples as sRGB, same dtype; unchanged without a usable RGB or grey profile.

    Of samples under a grey profile, which are equal in all three channels, the first counts.
    """
    if profile is None:
        return samples
    converted = _transformed(packed(samples), profile)
    return samples if converted is None else converted


def _transformed(samples: Samples, profile: bytes) -> Samples | None:
    """None when the profile is not one for RGB or grey, or is broken."""
    space = _SPACES.get(profile[16:20])
    if space is None:
        return None
    if profile[16:20] == _GREY:
        samples = packed(samples[..., 0])
    try:
        return np.asarray(
            imagecodecs.cms_transform(
                samples, profile, imagecodecs.cms_profile("srgb"), colorspace=space, outcolorspace="rgb"
            )
        )
    except (imagecodecs.CmsError, ValueError, RuntimeError):
        return None
