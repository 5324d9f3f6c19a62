"""What the large models cost on this machine's card: time, load, memory, beside the card's own ceilings.

``python -m benchmarks.gpu`` needs torch and diffusers and no weights: the true architectures run with random
ones. They run through the adapters of the engine, so what is measured is what a photo waits for. Exit codes:
0 measured, 69 torch or diffusers is not installed, 75 there is no card here, and so nothing was measured.
``--rehearse`` runs the whole of it with tiny networks on the processor; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from benchmarks.files import write_photo

NO_LIBRARY, NO_CARD = 69, 75
HERE = Path(__file__).parent / "gpu.md"
_GOALS = (
    "Goals on an H200: the photo in 1.0 s or less, FLUX.1 Fill with 8 steps in 1.2 s or less at 1024 px and"
    " in 0.5 s or less at 512 px, no load for the second photo."
)


def main() -> int:
    """Measure, print, and with ``--write`` keep the table beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the table to {HERE.name}")
    parser.add_argument("--rehearse", action="store_true", help="tiny networks on the processor")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    missing = [name for name in ("torch", "diffusers", "transformers") if find_spec(name) is None]
    if missing:
        print(f"nothing measured: {', '.join(missing)} not installed", file=sys.stderr)
        return NO_LIBRARY
    import torch

    if not chosen.rehearse and not torch.cuda.is_available():
        print("nothing measured: torch finds no graphics card on this machine", file=sys.stderr)
        return NO_CARD
    text = "\n".join(report(Bench(rehearse=chosen.rehearse, repeats=chosen.repeats)))
    print(text)
    if chosen.write and not chosen.rehearse:
        HERE.write_text(text + "\n", "utf-8")
    return 0


class Bench:
    """The device, and how things are timed on it."""

    def __init__(self, *, rehearse: bool, repeats: int) -> None:
        import torch

        self.torch, self.rehearse, self.repeats = torch, rehearse, 1 if rehearse else repeats
        self.device = "cpu" if rehearse else "cuda"
        self.dtype = torch.float32 if rehearse else torch.bfloat16
        self.sides = (64,) if rehearse else (512, 1024)

    def wait(self) -> None:
        """Until the device has done everything."""
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def seconds(self, work: Callable[[], Any]) -> float:
        """The median of some runs, after one that nobody counts."""
        times = []
        for _ in range(self.repeats + 1):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - start)
        return float(np.median(times[1:]))

    def memory_gb(self, *, peak: bool) -> float:
        """What torch holds on the card, 10^9 bytes; 0 on a processor."""
        if self.device != "cuda":
            return 0.0
        cuda = self.torch.cuda
        return float((cuda.max_memory_allocated() if peak else cuda.memory_allocated()) / 1e9)

    def forget(self) -> None:
        """Give memory back and begin to count the peak anew."""
        if self.device == "cuda":
            self.torch.cuda.empty_cache()
            self.torch.cuda.reset_peak_memory_stats()


def report(bench: Bench) -> Iterator[str]:
    """The table, line by line, as Markdown."""
    import diffusers
    import transformers

    torch = bench.torch
    name = torch.cuda.get_device_name() if bench.device == "cuda" else "REHEARSAL on a processor: no figures"
    yield f"# {name}, {datetime.now(UTC):%Y-%m-%d}"
    yield ""
    yield (
        f"torch {torch.__version__}, diffusers {diffusers.__version__},"
        f" transformers {transformers.__version__}; random weights, {bench.dtype};"
        f" median of {bench.repeats}. {_GOALS}"
    )
    yield ""
    yield from _ceilings(bench)
    yield ""
    yield "| model | crop px | steps | s | load s | resident GB | peak GB |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for family in ("flux_fill", "klein"):
        yield from _diffusion(bench, family)
    yield from _plain(bench)
    yield ""
    yield from _whole_photo(bench)


def _ceilings(bench: Bench) -> Iterator[str]:
    """What the card can do at best: one large product, one large copy."""
    torch, n = bench.torch, 256 if bench.rehearse else 8192
    a = torch.randn(n, n, device=bench.device, dtype=bench.dtype)
    product = bench.seconds(lambda: a @ a)
    big = torch.empty(2**20 if bench.rehearse else 2**32, dtype=torch.uint8, device=bench.device)
    copy = bench.seconds(big.clone)
    yield (
        f"Ceilings, measured: {2 * n**3 / product / 1e12:.0f} TFLOP/s in a product of {n} x {n},"
        f" {2 * big.numel() / copy / 1e12:.2f} TB/s in a copy."
    )


def filler_of(bench: Bench, family: str) -> Any:
    """The engine's adapter around a pipeline with random weights."""
    import diffusers
    from benchmarks import gpu_nets as nets

    from retouch_engine.budget import Use
    from retouch_engine.runtime.diffusion import _RECIPES, DiffusionFiller
    from retouch_engine.stock import Model

    torch, tiny = bench.torch, bench.rehearse
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=False, shift=3.0)

    def net(make: Callable[..., Any]) -> Any:
        return nets.filled(lambda: make(rehearse=tiny), bench.device, bench.dtype)

    def drawn(*shape: int) -> Any:
        return torch.randn(*shape, device=bench.device, dtype=bench.dtype)

    words = 16 if tiny else 512
    if family == "flux_fill":
        pipe = diffusers.FluxFillPipeline(
            scheduler, net(nets.flux_vae), None, None, None, None, net(nets.flux_transformer)
        )
        prompt = {
            "prompt_embeds": drawn(1, words, 32 if tiny else 4096),
            "pooled_prompt_embeds": drawn(1, 32 if tiny else 768),
        }
    else:
        pipe = diffusers.Flux2KleinInpaintPipeline(
            scheduler, net(nets.klein_vae), None, None, net(nets.klein_transformer), is_distilled=True
        )
        prompt = {"prompt_embeds": drawn(1, words, 48 if tiny else 7680)}
    pipe.set_progress_bar_config(disable=True)
    contract = {"multiple": 16, "least": 64 if tiny else 256, "most": 1024, "steps": [8], "guidance": 30.0}
    model = Model(
        family, family, Path(), "0" * 64, "random weights", True, "bf16", 0, 0, (), contract=contract
    )
    use = Use(model, bench.device, "bf16", False, 0, 0)
    return DiffusionFiller(use, pipe, _RECIPES[family], prompt, bench.device)


def _order(side: int, steps: int) -> Any:
    from retouch_engine.runtime import FillOrder

    y, x = np.ogrid[:side, :side]
    hole = np.asarray(np.hypot(y - side / 2, x - side / 2) < side / 6)
    image = np.random.default_rng(0).random((side, side, 3)).astype(np.float32)
    return FillOrder(image, hole, 0, steps)


def _diffusion(bench: Bench, family: str) -> Iterator[str]:
    """Each size and number of steps of one family."""
    bench.forget()
    start = time.perf_counter()
    filler = filler_of(bench, family)
    bench.wait()
    load, resident = time.perf_counter() - start, bench.memory_gb(peak=False)
    for side in bench.sides:
        for steps in (4, 8, 20):
            bench.forget()
            took = bench.seconds(lambda side=side, steps=steps: filler.fill(_order(side, steps)))  # type: ignore[misc]
            yield (
                f"| {family} | {side} | {steps} | {took:.3f} | {load:.1f} | {resident:.1f}"
                f" | {bench.memory_gb(peak=True):.1f} |"
            )
    filler.close()


def _plain(bench: Bench) -> Iterator[str]:
    """LaMa and DINOv3, straight."""
    from benchmarks import gpu_nets as nets

    torch = bench.torch
    every: tuple[tuple[str, Any, int], ...] = (("lama", nets.lama, 4), ("dinov3 vit-l", nets.dino, 3))
    for name, make, channels in every:
        bench.forget()
        start = time.perf_counter()
        net = nets.filled(partial(make, rehearse=bench.rehearse), bench.device, bench.dtype)
        bench.wait()
        load, resident = time.perf_counter() - start, bench.memory_gb(peak=False)
        for side in bench.sides:
            crop = torch.rand(1, channels, side, side, device=bench.device, dtype=bench.dtype)
            with torch.inference_mode():
                took = bench.seconds(partial(net, crop))
            yield (
                f"| {name} | {side} | 1 | {took:.4f} | {load:.1f} | {resident:.1f}"
                f" | {bench.memory_gb(peak=True):.1f} |"
            )
        del net


class _Believable:
    """Computes the real thing and answers with smooth skin.

    Random weights paint noise, which the guard would refuse; the ladder after that is not what a photo waits
    for.
    """

    def __init__(self, filler: Any) -> None:
        self.filler, self.fills = filler, 0

    def fill(self, order: Any) -> Any:
        from retouch_engine.imaging.membrane import membrane

        self.filler.fill(order)
        self.fills += 1
        return membrane(order.image, ~order.hole, order.hole)

    def close(self) -> None:
        self.filler.close()


def _whole_photo(bench: Bench) -> Iterator[str]:
    """A TIFF of 2048 x 2048 with ten blemishes of 70 px through the whole engine, from decode to proof."""
    count = 2 if bench.rehearse else 10
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photo, painted = _photo(512 if bench.rehearse else 2048, count)
        write_photo(folder / "photo.tif", photo.pixels)
        (folder / "mask.png").write_bytes(imagecodecs.png_encode(painted))
        for family in ("flux_fill", "klein"):
            bench.forget()
            believable = _Believable(filler_of(bench, family))
            times, record, figures = _through_the_engine(bench, believable, folder / family)
            healed = sum(s["healer"] == family for s in record["spots"])
            stages = ", ".join(f"{k} {v:.2f}" for k, v in record["seconds"].items())
            yield (
                f"One photo of {photo.width} x {photo.height} with {count} blemishes, {family} resident:"
                f" first {times[0]:.2f} s, second {times[1]:.2f} s ({stages}); {healed} healed by it with"
                f" {believable.fills // 2} fills each; {figures['loads']} load;"
                f" peak {bench.memory_gb(peak=True):.1f} GB."
            )
            believable.close()


def _through_the_engine(
    bench: Bench, believable: _Believable, folder: Path
) -> tuple[list[float], dict[str, Any], dict[str, Any]]:
    """Twice, by an engine that has the model pinned: seconds, the second record, the pool's figures."""
    from retouch_engine import Finish, Limits, Order, Recipe, Stock
    from retouch_engine.budget import Machine
    from retouch_engine.engine import RetouchEngine
    from retouch_engine.pool import Hands
    from retouch_engine.resident import Residency

    model = believable.filler.use.model
    stock = Stock((model,), pinned=(model.id,))
    hands = Hands(lambda _: believable, lambda _: None, time.monotonic)
    machine = Machine(10**6, "the card", onnx=True, onnx_cuda=True, diffusers=True)
    times: list[float] = []
    record: dict[str, Any] = {}
    with RetouchEngine(Limits(), stock, Residency(stock, machine, hands)) as engine:
        for number in range(2):
            staging = folder / str(number)
            staging.mkdir(parents=True)
            order = Order(
                folder.parent / "photo.tif", staging, Recipe(models=stock.names),
                Finish(), painted_mask=folder.parent / "mask.png",
            )  # fmt: skip
            bench.wait()
            start = time.perf_counter()
            record = engine.retouch(order, lambda _: None).record
            bench.wait()
            times.append(time.perf_counter() - start)
        return times, record, engine.residency()[model.id]


def _photo(side: int, count: int) -> Any:
    """Even skin with pores and blemishes on it, and the mask that a person would paint."""
    from retouch_engine.imaging.bands import blur
    from retouch_engine.imaging.density import encode
    from retouch_engine.types import Photo

    rng = np.random.default_rng(3)
    pores = 0.03 * blur(rng.normal(size=(side, side)).astype(np.float32), 1.2) / 0.23
    od = (np.array([0.5, 0.9, 1.2], np.float32) + pores[..., None]).astype(np.float32)
    y, x = np.ogrid[:side, :side]
    painted, columns = np.zeros((side, side), np.uint8), min(5, count)
    for i in range(count):
        cy = side * (1 + 2 * (i // columns)) // 4
        cx = side * (1 + 2 * (i % columns)) // (2 * columns)
        mask = np.asarray(np.hypot(y - cy, x - cx) <= 35)
        od[..., 1:] += 0.35 * blur(mask.astype(np.float32), 2.0)[..., None]
        painted[mask] = 255
    pixels = np.rint(np.clip(encode(od), 0, 1) * 65535).astype(np.uint16)
    return Photo(np.ascontiguousarray(pixels)), painted


if __name__ == "__main__":
    sys.exit(main())
