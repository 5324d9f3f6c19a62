"""The settings of content credentials."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from retouch_engine import Signing
from retouchd.config.tree import Tree
from retouchd.config.weights import optional_path


class SigningSettings(Tree):
    """Content credentials (C2PA, extra: c2pa): results signed as the very last step. Off by default."""

    certificate: Annotated[str, AfterValidator(optional_path)] = Field(
        default="",
        description="PEM file with the certificate, followed by those that vouch for it. Empty: nothing is"
        " signed. Metadata that an editor saves into a signed file later breaks the signature.",
    )
    key: Annotated[str, AfterValidator(optional_path)] = Field(
        default="", description="PEM file with its private key, which nobody else may read (chmod 600)."
    )
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        default="es256", description="The kind of key."
    )
    timestamp_url: str = Field(
        default="",
        pattern=r"^(https?://[!-~]+)?$",
        description="A server that vouches for the time of each signature. Empty: none is asked, and nothing"
        " leaves this machine. The systemd unit has no network; see there.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """One without the other signs nothing, and nobody would notice."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key, or neither")
        return self

    @property
    def signing(self) -> Signing | None:
        """As the engine takes it."""
        if not self.certificate:
            return None
        return Signing(self.certificate, self.key, self.algorithm, self.timestamp_url)
