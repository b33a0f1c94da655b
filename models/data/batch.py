"""Batches: images scaled to [0, 1] and sequences, normalised by the training subset, zero where padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from affectstore.config.training import Augmentation
from affectstore.models.cells.recipe import Recipe
from affectstore.models.data.augment import Augmenter
from affectstore.models.data.dataset import ClipSet, to_device
from affectstore.models.data.images import ImageInputs, to_unit_range
from affectstore.models.data.rng import RngStreams
from affectstore.models.data.sequences import StepInputs
from affectstore.models.spec import ClipShape, ImageShape

#: Bytes up to which the normalised values of a modality are kept in memory: a batch is then a copy of some of them.
NORMALISED_BYTES = 2**27

#: A channel or column with a smaller standard deviation is constant, and is only centred.
MIN_STD = 1e-6
_CLIPS, _STEPS = 32, 4096  # at a time when a subset is summed, so that it is never held as float64


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the training subset.

    Attributes:
        mean, std: Per channel, in units of [0, 1], or per column of a sequence.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    _tensors: dict[torch.device, tuple[Tensor, Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def identity(cls, size: int) -> Scale:
        """Scale that changes nothing."""
        return cls((0.0,) * size, (1.0,) * size)

    @classmethod
    def from_json(cls, value: dict[str, Sequence[float]]) -> Scale:
        """Scale as `to_json` wrote it."""
        return cls(tuple(value["mean"]), tuple(value["std"]))

    def to_json(self) -> dict[str, Sequence[float]]:
        """Mean and standard deviation for model.json."""
        return {"mean": self.mean, "std": self.std}

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation as float32 on a device, made once."""
        if device not in self._tensors:
            self._tensors[device] = torch.tensor(self.mean, device=device), torch.tensor(self.std, device=device)
        return self._tensors[device]


@dataclass(frozen=True)
class Batch:
    """Inputs and labels of some clips.

    Attributes:
        values: Modality -> float32 (clip, *size of its shape), zero where padded.
        masks: Modality -> bool (clip, frame) or (clip, step).
        labels: int64 (clip,); `UNLABELLED` where a clip has none.
        places: int64 (clip,), on the CPU: places of the clips in their subset.
        spans: Modality -> int64 (clip, word, 2), the steps under each word, (0, 0) where there is none; empty unless
            the fusion aligns modalities with words.
        mixed_labels: int64 (clip,), labels that are mixed in; None where clips are not mixed.
        mix_ratio: Share of the clips' own labels, where they are mixed.
    """

    values: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    labels: Tensor
    places: Tensor
    spans: Mapping[str, Tensor] = field(default_factory=dict)
    mixed_labels: Tensor | None = None
    mix_ratio: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: Tensor) -> Batch:
        """Some of the clips, padded as before."""
        on_device = rows.to(self.labels.device)
        values, masks, spans = (
            {m: x[on_device] for m, x in part.items()} for part in (self.values, self.masks, self.spans)
        )
        mixed = None if self.mixed_labels is None else self.mixed_labels[on_device]
        return Batch(values, masks, self.labels[on_device], self.places[rows], spans, mixed, self.mix_ratio)

    def with_zeros(self, modality: str) -> Batch:
        """The batch with the values of one modality set to zero, the mean of the training subset."""
        return replace(self, values={m: torch.zeros_like(x) if m == modality else x for m, x in self.values.items()})

    def without(self, modality: str) -> Batch:
        """The batch without one of the modalities."""
        values, masks, spans = (
            {m: x for m, x in part.items() if m != modality} for part in (self.values, self.masks, self.spans)
        )
        return replace(self, values=values, masks=masks, spans=spans)


def compute_scales(train: ClipSet, recipe: Recipe) -> dict[str, Scale]:
    """Mean and standard deviation of each modality and channel or column over the training subset, without padding.

    With `normalise: none` the mean is 0 and the standard deviation 1.
    """
    scales = {}
    for modality, inputs in train.inputs.items():
        sequences = isinstance(inputs, StepInputs)
        if (recipe.sequences if sequences else recipe.images).normalise == "none":
            scales[modality] = Scale.identity(inputs.values.shape[1])
        else:
            mean, std = _step_statistics(inputs) if isinstance(inputs, StepInputs) else _image_statistics(inputs)
            scales[modality] = Scale(tuple(mean.tolist()), tuple(std.tolist()))
    return scales


def _image_statistics(inputs: ImageInputs) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over all valid frames, float64."""
    clips, channels, _, *size = inputs.values.shape
    total, squares = torch.zeros(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64)
    for start in range(0, clips, _CLIPS):
        # Padding is zero, so it adds nothing to either sum.
        values = to_unit_range(inputs.values[start : start + _CLIPS]).double()
        total += values.sum(dim=(0, 2, 3, 4)).cpu()
        squares += values.square_().sum(dim=(0, 2, 3, 4)).cpu()
    count = int(inputs.mask.sum()) * int(np.prod(size))
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    return mean, torch.where(std < MIN_STD, 1.0, std)


def _step_statistics(inputs: StepInputs) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column over all steps, float64."""
    steps, dim = inputs.values.shape
    mean = torch.zeros(dim, dtype=torch.float64)
    for start in range(0, steps, _STEPS):
        mean += inputs.values[start : start + _STEPS].double().sum(dim=0).cpu()
    mean /= steps
    squares = torch.zeros(dim, dtype=torch.float64)
    for start in range(0, steps, _STEPS):
        # In a second pass, around the mean: descriptors in Hz would lose their digits in a sum of squares.
        squares += (inputs.values[start : start + _STEPS].double().cpu() - mean).square().sum(dim=0)
    std = (squares / steps).sqrt()
    return mean, torch.where(std <= MIN_STD * mean.abs().clamp(min=1e-12), 1.0, std)


class BatchMaker:
    """Make batches of the clips of a subset: float32 on a device.

    An image of one channel is repeated where the network reads three. Normalising comes before padding: padded frames
    and steps are zero, not a normalised black. Sequences are as long as the longest of a batch's clips. Values of up to
    `NORMALISED_BYTES` are normalised once.

    Args:
        clips: Clips of the subset.
        recipe: Recipe of the network.
        scales: Modality -> normalisation.
        device: Device of the batches. Until they are there, values keep their stored type.
        augment: Changes of training inputs.
    """

    def __init__(
        self,
        clips: ClipSet,
        recipe: Recipe,
        scales: Mapping[str, Scale],
        device: torch.device,
        augment: Augmentation | None = None,
    ) -> None:
        self.clips, self.recipe, self.scales, self.device = clips, recipe, scales, device
        self.augment = augment if augment is not None and augment.changes_inputs else None
        self._normalised: dict[str, tuple[Tensor, Tensor]] = {}
        for modality in recipe.modalities:
            inputs = clips.inputs[modality]
            if inputs.values.device.type == device.type and 4 * inputs.padded_size <= NORMALISED_BYTES:
                self._normalised[modality] = self._normalise(modality, torch.arange(len(clips)))

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def is_normalised(self) -> bool:
        """True where the values of all modalities are kept normalised."""
        return len(self._normalised) == len(self.recipe.modalities)

    @property
    def prefetched(self) -> bool:
        """True where a batch is worth making while the one before it is computed: clips in memory, a GPU."""
        return self.device.type == "cuda" and self.clips.labels.device.type != "cuda"

    def make(self, places: Sequence[int] | np.ndarray, rng: RngStreams | None = None) -> Batch:
        """Gather the clips at these places.

        Args:
            places: Places of the batch's clips in the subset.
            rng: Random numbers of the augmentation; None for inputs as they are stored.
        """
        index = torch.as_tensor(np.asarray(places, dtype=np.int64))
        augmenter = None if self.augment is None or rng is None else Augmenter(self.augment, rng)
        values, masks = {}, {}
        for modality in self.recipe.modalities:
            values[modality], masks[modality] = self._gather(modality, index, augmenter)
        spans = {} if self.clips.spans is None else self.clips.spans.gather(index, self.device)
        labels = self.clips.labels.index_select(0, index.to(self.clips.labels.device)).to(self.device)
        return Batch(values, masks, labels, index, spans)

    def _gather(self, modality: str, index: Tensor, augmenter: Augmenter | None) -> tuple[Tensor, Tensor]:
        """Values of one modality as the network reads them, and their mask."""
        inputs, shape = self.clips.inputs[modality], self.recipe.shapes[modality]
        augmented_frames = modality == "vision" and augmenter is not None and augmenter.settings.changes_frames
        if modality in self._normalised and not (augmented_frames and isinstance(inputs, ImageInputs)):
            x, mask = self._select(modality, index)
        else:
            x, mask = self._normalise(modality, index, augmenter)
        if isinstance(inputs, StepInputs):
            return (x if augmenter is None else augmenter.steps(x, mask, modality)), mask
        if augmenter is not None and modality == "audio":
            x = augmenter.levels(x, mask, modality)
        if not isinstance(shape, ImageShape):
            raise TypeError(f"{modality} holds images, and the network reads sequences")
        if x.shape[1] != shape.channels:
            x = x.expand(-1, shape.channels, -1, -1, -1)
        return (x if isinstance(shape, ClipShape) else x.squeeze(2)), mask

    def _select(self, modality: str, index: Tensor) -> tuple[Tensor, Tensor]:
        """Copy normalised values and their mask, sequences as far as the longest one."""
        values, mask = self._normalised[modality]
        inputs, at = self.clips.inputs[modality], index.to(values.device)
        if isinstance(inputs, StepInputs):
            longest = int(inputs.lengths[index].max())
            values, mask = values[:, :longest], mask[:, :longest]
        return values.index_select(0, at), mask.index_select(0, at)

    def _normalise(self, modality: str, index: Tensor, augmenter: Augmenter | None = None) -> tuple[Tensor, Tensor]:
        """Normalised sequences (clip, step, dim) or images (clip, channel, frame, height, width), zero where padded."""
        inputs, (mean, std) = self.clips.inputs[modality], self.scales[modality].tensors(self.device)
        stored, mask = inputs.gather(index)
        mask = mask.to(self.device)
        x = to_device(stored, self.device)
        # In place: `stored` is a copy of the clips' values.
        if isinstance(inputs, StepInputs):
            return x.float().sub_(mean).div_(std).mul_(mask[..., None]), mask
        x = to_unit_range(x)
        if augmenter is not None and modality == "vision":
            x = augmenter.images(x, modality)
        x = x.sub_(mean.view(1, -1, 1, 1, 1)).div_(std.view(1, -1, 1, 1, 1))
        return (x if mask.all() else x.mul_(mask[:, None, :, None, None])), mask
