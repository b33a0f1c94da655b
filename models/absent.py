"""Modalities that clips lack: inputs without a frame or step, and what becomes of what encoders make of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.base import Encoded, GivenSteps
from affectstore.models.recipe import Recipe

Inputs = Mapping[str, Tensor]


def completed(recipe: Recipe, values: Inputs, masks: Inputs, spans: Inputs) -> tuple[Inputs, Inputs, Inputs]:
    """Values, masks and spans with empty ones for those modalities that are not among them, and so absent.

    Args:
        recipe: says which there should be.
        values, masks, spans: as of `Network.forward`; at least one modality.

    Raises:
        ValueError: there is none.
    """
    missing = [modality for modality in recipe.modalities if modality not in values]
    if not missing:
        return values, masks, spans
    if len(missing) == len(recipe.modalities):
        raise ValueError(f"a network of {', '.join(recipe.modalities)} was given none of them")
    some = next(iter(values.values()))
    values, masks, spans = dict(values), dict(masks), dict(spans)
    for modality in missing:
        given = recipe.given[modality]
        shape = (1, given.columns) if isinstance(given, GivenSteps) else given.shape
        steps = 1 if isinstance(given, GivenSteps) else given.frames or 1
        values[modality] = some.new_zeros(len(some), *shape)
        masks[modality] = some.new_zeros(len(some), steps, dtype=torch.bool)
    if recipe.words is not None:
        nowhere = some.new_zeros(len(some), masks[recipe.words].shape[1], 2, dtype=torch.int64)
        without = recipe.modalities if recipe.words in missing else missing
        spans |= {modality: nowhere for modality in without if modality != recipe.words}
    return values, masks, spans


def present_in(masks: Inputs) -> dict[str, Tensor]:
    """Modality -> bool (clip,), whether a clip has any frame or step of it; empty where every clip has all.

    A clip that has nothing at all counts as having everything: there is nothing to leave out in favour of.
    """
    present = {modality: mask.any(dim=1) for modality, mask in masks.items()}
    everywhere = torch.stack(list(present.values()))
    if everywhere.all():
        return {}
    nothing = ~everywhere.any(dim=0)
    return {modality: has | nothing for modality, has in present.items()}


def emptied(encoded: Encoded, present: Tensor) -> Encoded:
    """What an encoder gives, zero for clips that lack the modality: no encoder was trained on nothing.

    Args:
        encoded: of one modality.
        present: bool (clip,).
    """
    return encoded._replace(
        vector=_where(present, encoded.vector),
        sequence=None if encoded.sequence is None else _where(present, encoded.sequence),
        layers=tuple(_where(present, layer) for layer in encoded.layers),
    )


def _where(present: Tensor, values: Tensor) -> Tensor:
    return torch.where(present.view(-1, *[1] * (values.dim() - 1)), values, 0)


def silenced(encoded: Encoded) -> Encoded:
    """What an encoder gives, with zeros in place of all numbers."""
    return encoded._replace(
        vector=torch.zeros_like(encoded.vector),
        sequence=None if encoded.sequence is None else torch.zeros_like(encoded.sequence),
        layers=tuple(torch.zeros_like(layer) for layer in encoded.layers),
    )
