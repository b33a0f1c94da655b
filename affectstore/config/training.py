"""Settings of training: optimizer, learning rate schedule, loss, augmentation and training tricks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from affectstore.config.base import Settings

_Fraction = Annotated[float, Field(ge=0, le=1)]


def _by_name(tricks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sort tricks by name, the order in which they are applied, so that the order in the file changes nothing."""
    return dict(sorted(tricks.items()))


class Schedule(Settings):
    """Learning rate of each epoch."""

    renamed: ClassVar[Mapping[str, str]] = {"least": "min_lr", "warm_up": "warmup_epochs"}

    kind: Literal["none", "plateau", "cosine", "step"] = Field(
        default="none",
        description="`plateau`: multiply by `factor` after more than `patience` epochs without a lower validation loss "
        "(training loss where there is no validation subset); `cosine`: half a cosine from `learning_rate` down to "
        "`min_lr`; `step`: multiply by `factor` every `every` epochs.",
    )
    factor: float = Field(default=0.1, gt=0, lt=1, description="Factor of `plateau` and `step`.")
    patience: int = Field(default=5, ge=0, description="Epochs that `plateau` waits.")
    every: int = Field(default=10, ge=1, description="Epochs between two reductions by `step`.")
    min_lr: float = Field(default=0.0, ge=0, description="Lower bound of the learning rate.")
    warmup_epochs: int = Field(
        default=0, ge=0, description="First epochs, in which the learning rate rises in equal steps to `learning_rate`."
    )


class Augmentation(Settings):
    """Random changes of training inputs, sampled for each clip and epoch; validation and test inputs are unchanged."""

    renamed: ClassVar[Mapping[str, str]] = {
        "time_share": "max_time_mask",
        "band_masks": "freq_masks",
        "band_share": "max_freq_mask",
    }

    flip: _Fraction = Field(default=0.0, description="Probability that the frames of a clip are flipped horizontally.")
    crop: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Smallest side of a random crop of the frames, as a fraction of theirs; the crop is scaled back to "
        "full size. 1: no crop.",
    )
    brightness: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Frames are multiplied by a random factor from 1 - brightness to 1 + brightness.",
    )
    time_masks: int = Field(
        default=0,
        ge=0,
        description="SpecAugment: number of time masks, in which spectrogram images, spectrogram chunks and sequences "
        "are set to the mean.",
    )
    max_time_mask: _Fraction = Field(default=0.1, description="Longest time mask, as a fraction of the clip.")
    freq_masks: int = Field(
        default=0,
        ge=0,
        description="SpecAugment: number of frequency masks, over bands of spectrograms and columns of sequences.",
    )
    max_freq_mask: _Fraction = Field(default=0.2, description="Widest frequency mask, as a fraction of all bands.")

    @property
    def changes_frames(self) -> bool:
        """True where the frames of a video are changed."""
        return self.flip > 0 or self.crop < 1 or self.brightness > 0

    @property
    def changes_inputs(self) -> bool:
        """True where any input is changed."""
        return self.changes_frames or self.time_masks > 0 or self.freq_masks > 0


class Training(Settings):
    """Settings of training for one cell."""

    renamed: ClassVar[Mapping[str, str]] = {
        "optimiser": "optimizer",
        "clip_gradient": "max_grad_norm",
        "mixup": "tricks: {mixup: {alpha: ...}}",
        "modality_dropout": "tricks: {modality_dropout: {rate: ...}}",
        "balance": "tricks: {ogm_ge: {}} or tricks: {g_blending: {}}",
        "ogm_alpha": "tricks: {ogm_ge: {alpha: ...}}",
        "blend_every": "tricks: {g_blending: {every: ...}}",
    }

    optimizer: Literal["adam", "adamw", "sgd"] = Field(default="adam", description="Optimizer.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate.")
    schedule: Schedule = Field(default=Schedule(), description="Learning rate schedule, by epoch.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of `sgd`; the others have their own.")
    weight_decay: float = Field(default=0.0, ge=0, description="Weight decay.")
    batch_size: int = Field(default=32, ge=1, description="Clips per optimization step.")
    epochs: int = Field(default=50, ge=1, description="Maximum number of epochs.")
    patience: int | None = Field(
        default=None, ge=1, description="Stop after this many epochs without a better `monitor`; none: never."
    )
    max_grad_norm: float | None = Field(
        default=None, gt=0, description="Gradients are clipped to this norm; none: no clipping."
    )
    precision: Literal["32-true", "bf16-mixed"] = Field(
        default="32-true", description="Arithmetic of the forward pass."
    )
    channels_last: bool = Field(
        default=False, description="Store images and convolution weights in memory with the channels last."
    )
    compile: bool = Field(
        default=False, description="Compile the network with torch.compile, which needs a C++ compiler."
    )
    monitor: Literal["loss", "uar", "accuracy"] = Field(
        default="loss", description="Metric on the validation subset by which the best epoch is selected."
    )
    loss: str = Field(default="cross_entropy", description="Name of a file in `models/losses/`.")
    loss_options: dict[str, Any] = Field(default={}, description="Options of the loss.")
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="`balanced`: clips are weighted by n / (classes n_class) in the loss, from the counts of the "
        "training subset. The validation loss is never weighted.",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Probability mass of each label that is spread over all classes."
    )
    tricks: Annotated[dict[str, dict[str, Any]], AfterValidator(_by_name)] = Field(
        default={},
        description="Training tricks: names of files in `models/tricks/` and their options, such as `{mixup: {alpha: "
        "0.2}, modality_dropout: {rate: 0.3}, ogm_ge: {alpha: 0.3}, g_blending: {every: 5}}`. They are applied in the "
        "order of their names. An override of `train` replaces all of them: `tricks: {}` removes the experiment's.",
    )
    augment: Augmentation = Field(default=Augmentation(), description="Augmentation of training inputs.")
    unlabelled: bool = Field(
        default=False,
        description="Train on the unlabelled clips of the split too; needs a fusion that can learn from them.",
    )
