"""The engine's settings: optimiser, schedule, augmentation, and what composes with any fusion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from affectstore.config.base import Settings

_Share = Annotated[float, Field(ge=0, le=1)]
_Rate = Annotated[float, Field(ge=0, lt=1)]


class Schedule(Settings):
    """How the learning rate goes on from `learning_rate`, epoch by epoch."""

    kind: Literal["none", "plateau", "cosine", "step"] = Field(
        default="none",
        description="`plateau`: times `factor` after more than `patience` epochs without a lower loss on validation "
        "(on the training side where there is none); `cosine`: half a cosine down to `least`; `step`: times "
        "`factor` every `every` epochs.",
    )
    factor: float = Field(default=0.1, gt=0, lt=1, description="What `plateau` and `step` multiply by.")
    patience: int = Field(default=5, ge=0, description="Epochs that `plateau` waits.")
    every: int = Field(default=10, ge=1, description="Epochs between two of `step`.")
    least: float = Field(default=0.0, ge=0, description="The rate never falls below this one.")
    warm_up: int = Field(
        default=0, ge=0, description="First epochs, in which the rate rises in equal steps to `learning_rate`."
    )


class Augmentation(Settings):
    """Changes of training inputs, drawn anew for each clip and epoch; validation and test inputs stay as they are."""

    flip: _Share = Field(default=0.0, description="Probability that a vision clip is mirrored left to right.")
    crop: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Least side of the part of a vision clip that is kept, as a share; the part is placed at random "
        "and scaled back. 1: the whole picture.",
    )
    brightness: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="A vision clip's values are multiplied by 1 - brightness to 1 + brightness.",
    )
    time_masks: int = Field(
        default=0,
        ge=0,
        description="SpecAugment: spans of time set to the mean, in spectrogram pictures and chunks and in sequences.",
    )
    time_share: _Share = Field(default=0.1, description="Longest of these spans, as a share of the clip.")
    band_masks: int = Field(
        default=0,
        ge=0,
        description="SpecAugment: runs of bands (of a sequence: columns) set to the mean, in the same inputs.",
    )
    band_share: _Share = Field(default=0.2, description="Widest of these runs, as a share of all bands.")


class Training(Settings):
    """The engine's settings for one cell."""

    optimiser: Literal["adam", "adamw", "sgd"] = Field(default="adam", description="Optimiser.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Step size.")
    schedule: Schedule = Field(default=Schedule(), description="How the step size changes with the epochs.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of `sgd`; the others have their own.")
    weight_decay: float = Field(default=0.0, ge=0, description="Weight decay.")
    batch_size: int = Field(default=32, ge=1, description="Clips per step.")
    epochs: int = Field(default=50, ge=1, description="Most passes over the training side.")
    patience: int | None = Field(
        default=None, ge=1, description="Stop after so many epochs without a better `monitor`; none: never."
    )
    clip_gradient: float | None = Field(default=None, gt=0, description="Largest gradient norm; none: no limit.")
    precision: Literal["32-true", "bf16-mixed"] = Field(
        default="32-true", description="Arithmetic of the forward pass."
    )
    channels_last: bool = Field(
        default=False, description="Whether pictures and convolutions lie in memory with the channels last."
    )
    compile: bool = Field(
        default=False, description="Whether the network is compiled (torch.compile); it needs a C++ compiler."
    )
    monitor: Literal["loss", "uar", "accuracy"] = Field(
        default="loss", description="What the epoch is chosen by, on the validation side."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="`balanced`: clips weigh n / (classes n_class) in the loss, by the training side's counts. The "
        "validation loss is never weighted.",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Part of each label that is spread over all classes."
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        description="alpha of mixup: each batch is mixed with itself in another order, by a share drawn from "
        "Beta(alpha, alpha), and so are its labels; 0: never.",
    )
    modality_dropout: _Rate | dict[Literal["audio", "vision", "text"], _Rate] = Field(
        default=0.0,
        description="Probability that a training clip comes without a modality (set to zero), one for all or one each; "
        "a clip that would lose them all loses none, so cells of one modality have no part in it.",
    )
    balance: Literal["none", "ogm_ge", "g_blending"] = Field(
        default="none",
        description="`ogm_ge`: the gradients of the modality that is ahead are damped; `g_blending`: each modality's "
        "own loss joins the fusion's, weighted by how it generalises. What a modality says alone is what the fusion "
        "says of it, or else what it makes of that modality with zeros in place of the others.",
    )
    ogm_alpha: float = Field(default=0.3, gt=0, description="How strongly `ogm_ge` damps.")
    blend_every: int = Field(
        default=5, ge=1, description="Epochs between two estimates of the weights of `g_blending`."
    )
    augment: Augmentation = Field(default=Augmentation(), description="Changes of training inputs.")
    unlabelled: bool = Field(
        default=False,
        description="Whether the split's unlabelled clips are trained on too, by a fusion that can use them.",
    )
