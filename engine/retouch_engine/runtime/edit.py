"""FLUX.2 klein as an editor: a picture in, the picture as its LoRA would have it out. It is shown no mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retouch_engine.budget import Use
from retouch_engine.errors import ModelUnusable
from retouch_engine.runtime.base import Fill
from retouch_engine.runtime.diffusion import Recipe, assembled

MULTIPLE = 16
MOST_PX = 1024
"""More than a square of this the pipeline would shrink without a word."""
_RECIPE = Recipe("Flux2KleinPipeline", ("text_encoder", "tokenizer"), lambda *_: {})


@dataclass(slots=True)
class KleinEditor:
    """A loaded pipeline with its LoRA, and the words that the LoRA was trained with."""

    use: Use
    pipe: Any
    prompt: Mapping[str, Any]

    @classmethod
    def load(cls, use: Use, prompt: str, prompts: Path | None = None) -> KleinEditor:
        """Load it from its folder.

        Args:
            use: klein, with the LoRA among its parts.
            prompt: what is asked for.
            prompts: where the embeddings of prompts are kept; None for nowhere.

        Raises:
            ModelUnusable: it does not load.
        """
        return cls(use, *assembled(use, _RECIPE, prompt, prompts))

    def edit(self, picture: NDArray[np.uint8], seed: int, steps: int) -> Fill:
        """Edit a picture, ``(h, w, 3)``; sides are multiples of 16, at most a square of 1024.

        Returns:
            float32, 0 to 1, the same shape. The same picture, seed and steps give the same answer.

        Raises:
            ModelUnusable: what came out is no picture of that size.
        """
        import torch
        from PIL import Image

        h, w = picture.shape[:2]
        with torch.inference_mode():
            made = self.pipe(
                image=[Image.fromarray(np.ascontiguousarray(picture))],
                height=h,
                width=w,
                num_inference_steps=steps,
                guidance_scale=1.0,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="np",
                **self.prompt,
            )
        answer = np.asarray(made.images[0], dtype=np.float32)
        if answer.shape != (h, w, 3) or not np.isfinite(answer).all():
            raise ModelUnusable(self.use.model.id, f"returned {answer.shape} for {(h, w, 3)}, or no numbers")
        return np.ascontiguousarray(np.clip(answer, 0, 1))

    def close(self) -> None:
        """Give its memory back."""
        self.pipe, self.prompt = None, {}
