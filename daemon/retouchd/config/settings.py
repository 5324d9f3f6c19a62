"""What can be set, with units, ranges, and the reason for each default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from retouch_engine import Agree, Body, Compression, Finish, Kind, Layers, Recipe
from retouchd.config.presets import BUILT_IN, BUILT_IN_PRESET, with_built_in
from retouchd.config.signing import SigningSettings
from retouchd.config.tree import AbsolutePath, Tree
from retouchd.config.watches import Scan, Watch
from retouchd.config.weights import ModelSettings


class LimitSettings(Tree):
    """What is accepted, and for how long one photo may work."""

    max_megapixels: float = Field(
        default=300.0,
        gt=0,
        le=4000,
        description="Larger photos are refused, from the header, before decoding.",
    )
    job_seconds: float = Field(
        default=900.0,
        gt=0,
        le=86_400,
        description="A photo that takes longer is stopped and its worker replaced.",
    )
    max_attempts: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Failures that may pass by themselves are tried this often, with growing pauses."
        " A full disk, a share that is away and the like are waited for, however long.",
    )
    worker_deaths: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="A photo whose worker died this often is put in quarantine; the rest goes on.",
    )
    memory_mb: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="Megabytes that the worker may use; a photo that needs more is refused from its header."
        " 0: three quarters of this machine's memory.",
    )
    generations: int = Field(
        default=25,
        ge=1,
        le=100_000,
        description="Results of one photo within a day, after which a circle is suspected.",
    )
    free_space_mb: int = Field(
        default=512, ge=0, le=10_000_000, description="Megabytes that stay free wherever results are written."
    )


class Output(Tree):
    """What is written beside a photo."""

    compression: Compression = Field(
        default=Compression.DEFLATE,
        description="How TIFF samples are packed. Deflate is the smallest; none is the fastest.",
    )
    xmp_sidecar: bool = Field(
        default=True, description="Also write NAME-retouched.xmp with the XMP that the TIFF carries inside."
    )
    contact_sheet: bool = Field(
        default=True,
        description="Keep _retouchd/contact.html: before, after and mask of every spot at 100 %.",
    )
    layers: Layers = Field(
        default=Layers.HEAL,
        description="Which files carry the heals as named layers: heal (NAME-heal.tif), embedded (the result"
        " as well, twice as large and slower), flat (none).",
    )
    psd: bool = Field(
        default=False,
        description="Also write _retouchd/NAME.psd: photo and heals as layers. Twice as large as the photo.",
    )
    threads: int = Field(default=2, ge=1, le=64, description="Threads for packing and unpacking samples.")


class HookSettings(Tree):
    """Commands that are told of events: lists of words, the facts as JSON on standard input, no shell."""

    on_done: tuple[str, ...] = Field(default=(), description="For each photo that is done.")
    on_failed: tuple[str, ...] = Field(
        default=(), description="For each photo that was skipped or put in quarantine."
    )
    on_batch_idle: tuple[str, ...] = Field(
        default=(), description="When photos were done or given up and nothing is left to do."
    )
    idle_s: float = Field(default=60.0, gt=0, le=86_400, description="Seconds without work that end a batch.")
    seconds: float = Field(default=30.0, gt=0, le=3600, description="A command that takes longer is stopped.")


_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LEAST_TOKEN = 16


def address_text(value: str) -> str:
    """An address and a port, or nothing.

    Raises:
        ValueError: neither.
    """
    host, _, port = value.rpartition(":")
    number = port.isascii() and port.isdigit() and int(port) <= 65_535
    if value and not (host.strip("[]") and number):
        raise ValueError("empty, or an address and a port such as 127.0.0.1:8712")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address in brackets, such as [::1]:8712")
    return value


class Http(Tree):
    """The review page, health, metrics and a JSON API. Off by default."""

    listen: Annotated[str, AfterValidator(address_text)] = Field(
        default="",
        description="Address and port, such as 127.0.0.1:8712; any other than this machine's needs a token."
        " Empty: off. The systemd unit has no network until retouchd install-service --replace fits it to"
        " this.",
    )
    token: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._~-]*$",
        max_length=200,
        description="What a browser or a program has to know, of at least 16 letters and digits. Plain HTTP"
        " does not hide it: beyond a network you trust, put a proxy with TLS before it.",
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """An address that others can reach needs a token."""
        if len(self.token) < _LEAST_TOKEN and (self.token or not self.local):
            raise ValueError(
                f"a token of at least {_LEAST_TOKEN} characters; without one, an address of this machine"
            )
        return self

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it, or nobody."""
        return not self.listen or self.listen.rpartition(":")[0] in _LOCAL

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, an IPv6 address without its brackets; None when off."""
        host, _, port = self.listen.rpartition(":")
        return (host.strip("[]"), int(port)) if self.listen else None


class History(Tree):
    """What is remembered of photos that are gone."""

    keep_days: int = Field(
        default=400,
        ge=0,
        le=36_500,
        description="Days that a photo which was removed is remembered after its last change. 0: for ever.",
    )


class Log(Tree):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level shown."
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: JSON for the system journal, readable on a terminal."
    )


_RECIPE = Recipe()


class Preset(Tree):
    """How photos are retouched. A retouch.toml in a client's folder overrides these for that folder."""

    sensitivity: int = Field(
        default=_RECIPE.sensitivity,
        ge=0,
        le=100,
        description="How faint a spot may be and still be found; 50 is cautious.",
    )
    strength: int = Field(
        default=_RECIPE.strength,
        ge=0,
        le=100,
        description="How much of each heal is applied, in percent; pores stay whole.",
    )
    remove: tuple[Kind, ...] = Field(
        default=_RECIPE.remove, description="Kinds that are healed when the engine is sure."
    )
    review: tuple[Kind, ...] = Field(
        default=_RECIPE.review,
        description="Kinds that are offered to a person and left as they are. All others are kept.",
    )
    largest_px: int = Field(
        default=_RECIPE.largest_px,
        ge=1,
        le=4000,
        description="Larger spots, by diameter in pixels, are for review.",
    )
    largest_mm: float = Field(
        default=_RECIPE.largest_mm,
        gt=0,
        le=1000,
        description="The same in millimetres of skin, where a face says how long they are.",
    )
    largest_healed_share: float = Field(
        default=_RECIPE.largest_healed_share,
        gt=0,
        le=1,
        description="When heals would cover more of a face than this share, all on that face are for review;"
        " two fifths of it for each person's body, and for all skin where no face is known. Spots count as"
        " they were found, without the rims that are healed with them.",
    )
    body: Body = Field(
        default=_RECIPE.body,
        description="Spots on neck, shoulders, arms and back: heal as on a face, review (offered only), keep."
        " Where no face is known all skin counts as body.",
    )
    agree: Agree = Field(
        default=_RECIPE.agree,
        description="Whether photos of a folder follow what was decided in those beside them: off; keep (what"
        " was left there is left, nothing is healed for it); both. The list of kept marks always counts.",
    )
    seed: int = Field(
        default=_RECIPE.seed,
        ge=0,
        le=2_147_483_647,
        description="Seeds random choices: same photo, same pixels.",
    )

    @model_validator(mode="before")
    @classmethod
    def _trim_defaults(cls, values: Any) -> Any:
        return untangled(values, Preset.model_construct()) if isinstance(values, dict) else values

    def recipe(self, name: str) -> Recipe:
        """The engine's recipe for this preset."""
        return Recipe(preset=name, **self.model_dump())


def untangled(values: dict[str, Any], base: Preset) -> dict[str, Any]:
    """The values, with a kind that one list names taken out of the other list where that one is inherited."""
    result = dict(values)
    for named, other in (("remove", "review"), ("review", "remove")):
        if isinstance(values.get(named), (list, tuple)) and other not in values:
            result[other] = [kind for kind in getattr(base, other) if kind not in values[named]]
    return result


def _built_in() -> dict[str, Preset]:
    return {name: Preset.model_validate(values) for name, values in BUILT_IN.items()}


class Settings(Tree):
    """Settings of retouchd: the documented default."""

    state_dir: AbsolutePath = Field(
        default=Path("/var/lib/retouchd"),
        description="Journal and staged results. On a local disk, outside of every watched folder.",
    )
    watch: tuple[Watch, ...] = Field(default=(), description="The hot folders.")
    scan: Scan = Field(default=Scan())
    limits: LimitSettings = Field(default=LimitSettings())
    output: Output = Field(default=Output())
    history: History = Field(default=History())
    hooks: HookSettings = Field(default=HookSettings())
    http: Http = Field(default=Http())
    models: ModelSettings = Field(default=ModelSettings())
    signing: SigningSettings = Field(default=SigningSettings())
    log: Log = Field(default=Log())
    presets: Annotated[dict[str, Preset], BeforeValidator(with_built_in)] = Field(
        default_factory=_built_in, description="Presets by name."
    )

    @property
    def finish(self) -> Finish:
        """How the engine writes results."""
        out = self.output
        return Finish(out.compression, out.threads, out.layers, out.psd, self.signing.signing)

    @property
    def roots(self) -> dict[bytes, Watch]:
        """The hot folders by their paths, as the journal keeps them."""
        return {watch.root: watch for watch in self.watch}

    def results_of(self, photo: Path) -> Path:
        """The folder for the results of a photo: as its watch has it, beside it where it is in none."""
        watch = self._watch_of(photo)
        return watch.results_of(photo) if watch else photo.parent

    def preset_of(self, photo: Path, named: str | None = None) -> str:
        """The preset for a photo: the one that was named, else that of its watch, else the default one."""
        watch = self._watch_of(photo)
        return named or (watch.preset if watch else BUILT_IN_PRESET)

    def _watch_of(self, photo: Path) -> Watch | None:
        return next((w for w in self.watch if photo.parent.is_relative_to(w.path)), None)

    @property
    def models_dir(self) -> Path:
        """Where models lie."""
        return Path(self.models.folder) if self.models.folder else self.state_dir / "models"

    @property
    def memory_bytes(self) -> int:
        """What the worker may use."""
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return self.limits.memory_mb * 1_000_000 or whole * 3 // 4
