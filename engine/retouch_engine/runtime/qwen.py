"""Qwen-Image-Edit on diffusers: it looks at the crop with its language model as well, which has to stay.

The pipeline works at one megapixel whatever it is given and thinks in 8 bits: the crop is scaled there and
the answer back, which a low band survives. Its own processor wants torchvision for videos; what is needed of
it is a few lines, and so written here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from retouch_engine.budget import Use
from retouch_engine.errors import ModelUnusable
from retouch_engine.runtime.base import Fill, FillOrder
from retouch_engine.runtime.diffusion import housed

_ASK = "Remove the blemish in the masked area: healthy skin with natural pores, everything else as it is."
_IMAGE = "<|image_pad|>"


@dataclass(slots=True)
class Eyes:
    """Text with a place for an image, and that image, as the language model takes them.

    One token stands for the image in the text; it is repeated for each patch that the image becomes.
    """

    tokenizer: Any
    images: Any

    @classmethod
    def of(cls, folder: Path, tokenizer: Any) -> Eyes:
        """From the ``processor`` folder of a pipeline."""
        from transformers import Qwen2VLImageProcessorPil

        return cls(tokenizer, Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True))

    def __call__(self, text: list[str], images: Any, **_: Any) -> Any:
        """A batch of one text and one image."""
        from transformers import BatchFeature

        seen = self.images(images=images, return_tensors="pt")
        count = int(seen["image_grid_thw"][0].prod()) // self.images.merge_size**2
        words = self.tokenizer([t.replace(_IMAGE, _IMAGE * count) for t in text], return_tensors="pt")
        plain = {"input_ids": words["input_ids"], "attention_mask": words["attention_mask"]}
        return BatchFeature({**plain, **seen})


@dataclass(slots=True)
class QwenFiller:
    """A loaded pipeline."""

    use: Use
    pipe: Any

    @classmethod
    def load(cls, use: Use) -> QwenFiller:
        """See :func:`retouch_engine.runtime.load`."""
        os.environ["HF_HUB_OFFLINE"] = "1"
        import diffusers
        import torch

        dtype = torch.float32 if use.precision == "fp32" else torch.bfloat16
        try:
            pipe = diffusers.QwenImageEditInpaintPipeline.from_pretrained(
                use.model.folder, dtype=dtype, local_files_only=True, processor=None
            )
            pipe.processor = Eyes.of(use.model.folder / "processor", pipe.tokenizer)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
            raise ModelUnusable(use.model.id, f"{type(error).__name__}: {error}") from error
        pipe.set_progress_bar_config(disable=True)
        housed(pipe, use)
        return cls(use, pipe)

    def fill(self, order: FillOrder) -> Fill:
        """See :class:`retouch_engine.runtime.base.Filler`."""
        import torch
        from PIL import Image

        h, w = order.hole.shape
        image = Image.fromarray(np.rint(order.image * 255).astype(np.uint8))
        with torch.inference_mode():
            made = self.pipe(
                image=image,
                mask_image=Image.fromarray(order.hole.astype(np.uint8) * np.uint8(255)),
                prompt=_ASK,
                negative_prompt=" ",
                true_cfg_scale=float(self.use.model.contract["guidance"]),
                strength=1.0,
                num_inference_steps=order.steps,
                generator=torch.Generator("cpu").manual_seed(order.seed),
                output_type="np",
            )
        answer = np.asarray(made.images[0], dtype=np.float32)
        if answer.ndim != 3 or answer.shape[2] != 3 or not np.isfinite(answer).all():
            raise ModelUnusable(self.use.model.id, f"returned {answer.shape}, or no numbers")
        scaled = cv2.resize(answer, (w, h), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(np.clip(np.asarray(scaled, dtype=np.float32), 0, 1))

    def close(self) -> None:
        """See :class:`retouch_engine.runtime.base.Filler`."""
        self.pipe = None
