"""What a machine can hold: from a card's memory and what is installed to who heals, how precisely, and where.

A pure function over a table, so that every tier can be walked without a card. The tiers are those of the
design document; the sizes are each model's own, from its manifest. It never plans for more than there is,
and where nothing fits it plans for the classical healers, which need nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from retouch_engine.stock import Model, Stock

CPU, CUDA = "cpu", "cuda"


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found here."""

    card_mb: int = 0
    """Memory of the card that may be used, 10^6 bytes; 0 without one."""
    card: str = ""
    """What the card calls itself."""
    onnx: bool = False
    onnx_cuda: bool = False
    diffusers: bool = False
    """Whether torch and diffusers are installed."""


@dataclass(frozen=True, slots=True)
class Use:
    """One model as it is going to be loaded."""

    model: Model
    device: str
    precision: str
    offload: bool
    """Its blocks wait in main memory and visit the card in turn."""
    rest_mb: int
    peak_mb: int
    parts: tuple[Model, ...] = ()
    """Other models that it is put together from, in the order of their ids."""
    compile: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """Everything that changes the graph or its weights."""
        parts = ",".join(p.name for p in self.parts)
        plain = (self.model.name, self.device, self.precision, parts)
        return (*plain, "offload" * self.offload, "compile" * self.compile)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who heals beside the classical healers, in the order in which they are tried, and why."""

    tier: str
    detector: str
    uses: tuple[Use, ...]
    why: tuple[str, ...]
    card_mb: int = 0


_TIERS_GB = ((40.0, "40 GB and more"), (24.0, "24 GB"), (8.0, "8 GB"), (2.0, "2 GB"), (0.0, "no card"))
_BIGGEST_FIRST = ("flux_fill", "klein", "flux_controlnet")
"""Diffusion healers for the everyday neural tier, best first; one of them is enough."""
_HARD = "qwen_edit"
_HARD_GB = 40.0
_SMALL = ("lama", "migan", "rethined")
"""On onnxruntime; one of them is enough."""
_ONNX_GB = 2.0
_FULL_GB = 8.0
"""From here on small models get crops at their own size; below, the fixed window of 512."""
_FP8_SHARE = 0.55
"""Of the resting memory, when the transformers' weights are stored in 8 bits and computed with in 16."""
_OFFLOAD_SHARE = 0.2
"""Of the resting memory: two blocks, and what is no block. A manifest may say ``offload_mb`` instead."""


def tier_of(card_mb: int) -> str:
    """The design document's row for so much memory."""
    return next(name for least, name in _TIERS_GB if card_mb >= least * 1000 - 1)


def usable_mb(free_mb: int, budget_gb: float) -> int:
    """What may be used of what is free: all of it for a negative budget, never more than there is."""
    return free_mb if budget_gb < 0 else min(free_mb, round(budget_gb * 1000))


def plan(machine: Machine, stock: Stock) -> Plan:
    """What to load on this machine.

    Args:
        machine: what was found; ``card_mb`` is what may be used, see :func:`usable_mb`.
        stock: the models that are installed and allowed.
    """
    why: list[str] = [_card_line(machine)]
    uses: list[Use] = []
    everyday = _first(_BIGGEST_FIRST, machine, stock, why)
    hard = _first((_HARD,), machine, stock, why)
    small = _first(_SMALL, machine, stock, why)
    uses = [u for u in (everyday, hard, small) if u is not None]
    rest = sum(u.rest_mb for u in uses if u.device == CUDA and not u.offload)
    if len(uses) > 1 and rest > machine.card_mb > 0:
        why.append("they do not fit beside each other: the one that is needed takes the place of the others")
    if not uses:
        why.append("healers: the classical ones (tone, donor, frequency, patchmatch, clone)")
    detector = "learned" if machine.onnx else "classic"
    why.append(f"detector: {detector}; it needs no card")
    return Plan(tier_of(machine.card_mb), detector, tuple(uses), tuple(why), machine.card_mb)


def _card_line(machine: Machine) -> str:
    if machine.card_mb <= 0:
        return "card: none, or none allowed"
    return f"card: {machine.card or 'yes'}, {machine.card_mb / 1000:.1f} GB to use"


def _first(healers: tuple[str, ...], machine: Machine, stock: Stock, why: list[str]) -> Use | None:
    """The best use of the first healer that fits; the others are told why not."""
    chosen: Use | None = None
    for healer in healers:
        for model in _preferred(stock, healer, machine):
            if chosen is not None:
                why.append(f"{model.id}: not needed beside {chosen.model.id}")
                continue
            use, reason = _fitted(model, machine, stock)
            why.append(f"{model.id}: {reason}")
            chosen = use
    return chosen


def _preferred(stock: Stock, healer: str, machine: Machine) -> list[Model]:
    """Models of a healer, best first: larger ones; on small cards the fixed window before any size."""
    found = [m for m in stock.models if m.healer == healer]
    free_size = machine.card_mb >= _FULL_GB * 1000
    order = {m.id: ("size" in m.contract) is free_size if healer == "lama" else False for m in found}
    return sorted(found, key=lambda m: (order[m.id], -m.rest_mb, m.id))


def _fitted(model: Model, machine: Machine, stock: Stock) -> tuple[Use | None, str]:
    missing = [n for n in model.needs if stock.named(n) is None]
    if missing:
        return None, f"needs {', '.join(missing)}, which is not here or not allowed"
    if model.healer in _SMALL:
        return _small(model, machine)
    if not machine.diffusers:
        return None, 'needs torch and diffusers: pip install "retouchd[gpu]"'
    if machine.card_mb <= 0:
        return None, "needs a card"
    if model.healer == _HARD and machine.card_mb < _HARD_GB * 1000:
        return None, f"only from {_HARD_GB:.0f} GB on"
    for use in _variants(model, stock):
        if use.peak_mb <= machine.card_mb:
            place = ", blocks wait in main memory" if use.offload else ", resident"
            return use, f"{use.precision}{place}, peak {use.peak_mb / 1000:.1f} GB"
    return None, f"does not fit, not even block by block: {_variants(model, stock)[-1].peak_mb / 1000:.1f} GB"


def _small(model: Model, machine: Machine) -> tuple[Use | None, str]:
    if not machine.onnx:
        return None, 'needs onnxruntime: pip install "retouchd[cpu]"'
    cuda = machine.onnx_cuda and machine.card_mb >= max(_ONNX_GB * 1000 - 1, model.peak_mb)
    device = CUDA if cuda else CPU
    use = Use(model, device, model.precision, False, model.rest_mb, model.peak_mb)
    return use, f"{model.precision} on the {'card' if cuda else 'processor'}, peak {model.peak_mb} MB"


def _variants(model: Model, stock: Stock) -> list[Use]:
    """Ways to load a diffusion model, best first; each needs less and is slower or rougher."""
    named = [stock.named(n) for n in (*model.needs, *model.extras)]
    parts = [p for p in named if p is not None]
    plain = tuple(p for p in parts if p.healer != "gguf")
    quantised = [p for p in parts if p.healer == "gguf"]
    extra_mb = sum(p.rest_mb for p in plain)
    rest, work = model.rest_mb + extra_mb, model.peak_mb - model.rest_mb
    fp8 = round(_FP8_SHARE * model.rest_mb) + extra_mb
    offload = int(model.contract.get("offload_mb", 0)) or round(_OFFLOAD_SHARE * model.rest_mb) + work

    def use(
        precision: str, rest_mb: int, peak_mb: int, *, moved: bool = False, more: tuple[Model, ...] = ()
    ) -> Use:
        every = tuple(sorted((*plain, *more), key=lambda p: p.id))
        return Use(model, CUDA, precision, moved, rest_mb, peak_mb, every, stock.compile and not moved)

    ways = [use(model.precision, rest, rest + work)]
    for part in quantised:
        # The transformer is most of what rests; what is not quantised is a few hundred megabytes of VAE.
        held = part.rest_mb + extra_mb + 500
        ways.append(use(part.precision, held, held + work, more=(part,)))
    ways.append(use("fp8", fp8, fp8 + work))
    ways.append(use(model.precision, 0, offload + extra_mb, moved=True))
    return ways
