"""Modalities that clips lack: inputs without any frame or step."""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.modules import Encoded
from affectstore.models.spec import ClipShape, SequenceShape, Shape

Inputs = Mapping[str, Tensor]


def fill_missing(
    shapes: Mapping[str, Shape], words: str | None, values: Inputs, masks: Inputs, spans: Inputs
) -> tuple[Inputs, Inputs, Inputs]:
    """Add empty values, masks and spans for the modalities that are missing.

    Args:
        shapes: Modality -> shape of its input, for all modalities of the network.
        words: Modality whose rows are words, where the fusion aligns the others with it.
        values, masks, spans: As of `Network.forward`; at least one modality.

    Raises:
        ValueError: No modality is given.
    """
    missing = [modality for modality in shapes if modality not in values]
    if len(missing) == len(shapes):
        raise ValueError(f"a network of {', '.join(shapes)} received none of them")
    some = next(iter(values.values()))
    values, masks, spans = dict(values), dict(masks), dict(spans)
    for modality in missing:
        shape = shapes[modality]
        size = (1, shape.dim) if isinstance(shape, SequenceShape) else shape.size
        steps = shape.frames if isinstance(shape, ClipShape) else 1
        values[modality] = some.new_zeros(len(some), *size)
        masks[modality] = some.new_zeros(len(some), steps, dtype=torch.bool)
    if words is not None:
        nowhere = some.new_zeros(len(some), masks[words].shape[1], 2, dtype=torch.int64)
        without = shapes if words in missing else missing
        spans |= {modality: nowhere for modality in without if modality != words}
    return values, masks, spans


def availability(masks: Inputs) -> dict[str, Tensor]:
    """Modality -> bool (clip,), True where a clip has a frame or step of it; empty where every clip has all.

    A clip that lacks all modalities counts as having all: no other modality could stand in.
    """
    available = {modality: mask.any(dim=1) for modality, mask in masks.items()}
    stacked = torch.stack(list(available.values()))
    if stacked.all():
        return {}
    nothing = ~stacked.any(dim=0)
    return {modality: has | nothing for modality, has in available.items()}


def mask_missing(encoded: Encoded, available: Tensor) -> Encoded:
    """Output of an encoder with zeros for clips that lack the modality: encoders are not trained on empty inputs.

    Args:
        encoded: Of one modality.
        available: bool (clip,).
    """
    return encoded.map(lambda x: torch.where(available.view(-1, *[1] * (x.dim() - 1)), x, 0))
