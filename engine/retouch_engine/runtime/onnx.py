"""Inpainting networks in ONNX, on onnxruntime: an image and a mask in, an image out.

What the inputs are called and how wide they are is read from the file; their ranges stand in the manifest's
contract, because no file says them. One thread inside the session on the processor, so that the sums have one
order and the same crop gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from retouch_engine.budget import CUDA, Use
from retouch_engine.errors import ModelUnusable
from retouch_engine.learned import onnxruntime
from retouch_engine.runtime.base import Fill, FillOrder

_CHANNELS = {"image": 3, "mask": 1}


@dataclass(slots=True)
class OnnxFiller:
    """A loaded network."""

    model_id: str
    session: Any
    names: Mapping[str, str]
    """The network's names of ``image`` and ``mask``."""
    contract: Mapping[str, Any]

    @classmethod
    def load(cls, use: Use) -> OnnxFiller:
        """See :func:`retouch_engine.runtime.load`."""
        found = [name for name in use.model.files if name.endswith(".onnx")]
        if len(found) != 1:
            raise ModelUnusable(use.model.id, f"{len(found)} .onnx files, expected 1")
        library = onnxruntime()
        options = library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        cpu = "CPUExecutionProvider"
        providers = ["CUDAExecutionProvider", cpu] if use.device == CUDA else [cpu]
        try:
            session = library.InferenceSession(
                str(use.model.folder / found[0]), sess_options=options, providers=providers
            )
        except Exception as error:
            if type(error).__module__.startswith("onnxruntime"):
                raise ModelUnusable(use.model.id, f"{type(error).__name__}: {error}") from None
            raise
        return cls(use.model.id, session, _names(use, session.get_inputs()), use.model.contract)

    def fill(self, order: FillOrder) -> Fill:
        """See :class:`retouch_engine.runtime.base.Filler`."""
        image = np.ascontiguousarray(order.image.transpose(2, 0, 1)[None])
        mask = order.hole[None, None].astype(np.float32)
        if float(self.contract.get("mask_fill", 1.0)) == 0.0:
            mask = 1 - mask
        if "uint8" in str(self.contract.get("range", "")):
            image, mask = _bytes(image), _bytes(mask)
        given = {self.names["image"]: image, self.names["mask"]: mask}
        out = np.asarray(self.session.run(None, given)[0])
        if out.ndim != 4 or out.shape[1:] != (3, *order.hole.shape):
            raise ModelUnusable(self.model_id, f"returned {out.shape} for {order.hole.shape}")
        scale = 255.0 if str(self.contract.get("output", "0..1")).startswith("0..255") else 1.0
        values = np.asarray(out[0], dtype=np.float32).transpose(1, 2, 0) / np.float32(scale)
        if not np.isfinite(values).all():
            raise ModelUnusable(self.model_id, "returned values that are no numbers")
        if float(np.abs(values).max()) > 2:
            # A file of another export: 0..255 where the manifest says 0..1.
            raise ModelUnusable(self.model_id, f"returned {float(values.max()):.0f} of at most 1")
        return np.ascontiguousarray(np.clip(values, 0, 1))

    def close(self) -> None:
        """See :class:`retouch_engine.runtime.base.Filler`."""
        self.session = None


def _bytes(values: Any) -> Any:
    return np.rint(values * 255).astype(np.uint8)


def _names(use: Use, inputs: Any) -> dict[str, str]:
    """Which input is the image and which the mask, by their channels; checked against the contract."""
    names: dict[str, str] = {}
    for role, channels in _CHANNELS.items():
        fitting = [i.name for i in inputs if len(i.shape) == 4 and i.shape[1] == channels]
        named = [i.name for i in inputs if i.name == role]
        if len(fitting) != 1 and not named:
            raise ModelUnusable(use.model.id, f"no {role} among its inputs {[i.name for i in inputs]}")
        names[role] = named[0] if named else fitting[0]
    size = use.model.contract.get("size")
    for i in inputs:
        fixed = [n for n in i.shape[2:] if isinstance(n, int)]
        if size is not None and any(n != size for n in fixed):
            raise ModelUnusable(use.model.id, f"takes {i.shape}, its manifest says {size}")
        if size is None and fixed:
            raise ModelUnusable(use.model.id, f"takes only {i.shape}, its manifest says any size")
    return names
