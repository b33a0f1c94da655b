"""Preprocessing of stored features into the inputs of networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from affectstore.config.base import Settings

Modality = Literal["audio", "vision", "text"]
_Count = Annotated[int, Field(ge=1)]


class Images(Settings):
    """Preprocessing of stored images for networks."""

    renamed: ClassVar[Mapping[str, str]] = {"size_px": "image_px"}
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"colour": {"grey": "grayscale"}}

    image_px: int = Field(default=224, ge=8, le=1024, description="Height and width of each image, in pixels.")
    colour: Literal["grayscale", "rgb"] = Field(default="rgb", description="`grayscale`: one channel; `rgb`: three.")
    frames: int = Field(
        default=135,
        ge=1,
        description="Frames of each clip: evenly spaced if its video has more, padded with zeros if it has fewer.",
    )
    normalise: Literal["none", "train"] = Field(
        default="train",
        description="`train`: subtract the mean and divide by the standard deviation of the training subset, per "
        "modality and channel; `none`: only scale to [0, 1].",
    )


class Sequences(Settings):
    """Preprocessing of stored rows for networks: pooling to steps, and normalisation."""

    renamed: ClassVar[Mapping[str, str]] = {"most_steps": "max_steps", "first": "prepend"}

    pool: _Count | dict[Modality, _Count] = Field(
        default=1,
        description="Rows that are averaged to one step; the last step averages the rows that remain. One number for "
        "all modalities, or a mapping (`{audio: 4}`): modalities that it lacks are not pooled.",
    )
    max_steps: int = Field(
        default=4096,
        ge=1,
        description="Maximum number of steps. Longer clips are pooled by the smallest integer that makes them fit.",
    )
    prepend: dict[Modality, str] = Field(
        default={},
        description="Name of an array that the modality's feature stores once per clip, prepended as the first step: "
        "`{text: cls}` is [CLS] of `bert`, which the pooling `cls` of `blstm` reads.",
    )
    normalise: Literal["none", "train"] = Field(
        default="train",
        description="`train`: subtract the mean and divide by the standard deviation of each column over the steps of "
        "the training subset; `none`: as stored.",
    )
