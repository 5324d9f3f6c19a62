"""Every way the model store can fail, one class each.

RetouchdError
└── ModelError
    ├── UnknownModel           no manifest goes by this name               (1)
    ├── ModelNotHere           it is not in the store                      (1)
    ├── ModelDamaged           a file is missing or not what it was        (1)
    ├── ModelChanged           the source offers other files than before   (1)
    ├── UnsafeModelFile        a pickle, or anything else that holds code  (1)
    ├── NoncommercialModel     its licence was not accepted                (78)
    ├── GatedModel             its owner wants to be asked first           (77)
    ├── HubUnreachable         no answer, or one that makes no sense       (75)
    ├── HubMissing             huggingface_hub is not installed            (69)
    ├── StoreBusy              another command changes the store           (75)
    └── StoreUnusable          the folder cannot be written                (73)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retouchd.errors import RetouchdError
from retouchd.text import shown


class ModelError(RetouchdError):
    """Anything that a command of the model store cannot do."""


class UnknownModel(ModelError):
    """No manifest goes by this name, or none fits these files."""

    def __init__(self, given: str, known: Sequence[str], advice: str = "see: retouchd models list") -> None:
        super().__init__(f"{shown(given)} is no model that is known: {', '.join(known)}; {advice}")


class ModelNotHere(ModelError):
    """It is not in the store."""

    def __init__(self, model_id: str, folder: Path, *, own: bool = False) -> None:
        how = f"import FILE --as {model_id}" if own else f"pull {model_id}"
        super().__init__(f"{model_id} is not in {shown(folder)}; get it with: retouchd models {how}")


class ModelDamaged(ModelError):
    """Files that are missing or not what they were."""

    def __init__(self, model_id: str, wrong: Sequence[str]) -> None:
        self.wrong = tuple(wrong)
        listed = "; ".join(shown(w) for w in wrong[:5])
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        super().__init__(f"{shown(model_id)} is not as it should be: {listed}{more}; pull or import it again")


class ModelChanged(ModelError):
    """A source that offers other files under the same name: a new version, or somebody else's."""

    def __init__(self, model_id: str, names: Sequence[str]) -> None:
        super().__init__(
            f"{model_id}: the source now offers other bytes for {', '.join(shown(n) for n in names[:3])} than"
            f" were recorded at the first pull; nothing was changed. If that is expected:"
            f" retouchd models pull {model_id} --renew"
        )


class UnsafeModelFile(ModelError):
    """A file that may run code when it is opened, or is not what it calls itself."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(
            f"refused {shown(name)}: found {found}; a model is made of .safetensors, .onnx or .gguf"
        )


class NoncommercialModel(ModelError):
    """Weights that may not be used for paid work, and nobody said that this is none."""

    exit_code = 78

    def __init__(self, model_id: str, licence: str) -> None:
        super().__init__(
            f"{model_id} is under {licence}, which forbids commercial use; if yours is none,"
            " set models.accept_noncommercial = true"
        )


class OwnModel(ModelError):
    """A model that nobody offers: the studio made it."""

    exit_code = 2

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"{model_id} is a file of your own; take it in with: retouchd models import FILE --as {model_id}"
        )


class GatedModel(ModelError):
    """Weights whose owner wants to be asked first."""

    exit_code = 77

    def __init__(self, model_id: str, page: str) -> None:
        super().__init__(
            f"{model_id} is gated: open {page} in a browser, accept its terms, make a token that may read"
            " it, and pull again with HF_TOKEN set (or --token-file FILE)"
        )


class HubUnreachable(ModelError):
    """The source does not answer, or not with what was asked for. What was fetched is kept."""

    exit_code = 75

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"{shown(where)}: {shown(why)}; what was fetched so far is kept, so pull again, name a mirror"
            " with --endpoint, or carry the files here and use: retouchd models import"
        )


class HubMissing(ModelError):
    """The library that fetches models is not installed."""

    exit_code = 69

    def __init__(self) -> None:
        super().__init__(
            'huggingface_hub is not installed: pip install "retouchd[models]"; without it, carry the files'
            " here and use: retouchd models import"
        )


class StoreBusy(ModelError):
    """Another command changes the store just now."""

    exit_code = 75

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another command changes {shown(folder)} right now; wait for it")


class StoreUnusable(ModelError):
    """The folder of models cannot be made or written."""

    exit_code = 73

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"cannot use {shown(folder)}: {why}; set models.folder, or give --store DIR")
