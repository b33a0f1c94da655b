"""Options of encoders that may start from published weights: their names and digests; free of torch."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from affectstore.models.spec import EncoderOptions
from affectstore.weights.find import require
from affectstore.weights.hub import ModelName, find_model
from affectstore.weights.random import RANDOM


class FileOptions(EncoderOptions):
    """Options of an encoder whose `weights` are "random" or name one published file.

    Attributes:
        pretrained_file: Name of the file.
    """

    pretrained_file: ClassVar[str]

    weights: str = RANDOM

    @property
    def pretrained(self) -> bool:
        """True where training starts from the published file."""
        return self.weights != RANDOM

    @property
    def pretrained_source(self) -> str:
        """Name of the weights that training starts from."""
        return f"{self.weights} ({self.pretrained_file})" if self.pretrained else RANDOM

    def pretrained_digest(self) -> str | None:
        """Digest of the published file; None for newly initialised weights.

        Raises:
            ConfigError: The file is missing, or is not the published one.
        """
        return require(self.pretrained_file).sha256 if self.pretrained else None


class HubOptions(EncoderOptions):
    """Options of an encoder whose `weights` are "random" or name a model of the Hugging Face hub, or its folder."""

    weights: str = Field(
        default=RANDOM,
        min_length=1,
        description="Weights that training starts from: `random`, or the id or folder of a model.",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of an id; none for its main branch.")

    @property
    def pretrained(self) -> bool:
        """True where training starts from a published model."""
        return self.weights != RANDOM

    @property
    def model_name(self) -> ModelName:
        """The published model."""
        return ModelName(self.weights, self.revision)

    @property
    def pretrained_source(self) -> str:
        """Name of the weights that training starts from: a model's id, or the last part of a folder's path."""
        if not self.pretrained:
            return RANDOM
        name = Path(self.weights).name if self.weights.startswith((".", "/", "~")) else self.weights
        return f"{name} (revision {self.revision})" if self.revision else name

    def pretrained_digest(self) -> str | None:
        """Digest of the published model's configuration and weights; None for newly initialised ones.

        Raises:
            ConfigError: The model is missing, incomplete, or another than was asked for.
        """
        return find_model(self.model_name).network_digest if self.pretrained else None
