"""Modality dropout: training clips that come without a modality, so that a network bears its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from affectstore.models.data.batch import Batch
from affectstore.models.data.draws import Draws


def drop_modalities(batch: Batch, rates: float | Mapping[Any, float], draws: Draws) -> Batch:
    """The batch with some modalities of some clips set to zero, as `Batch.without` sets them.

    Args:
        batch: of one modality or more; a clip never loses all it has.
        rates: probability for each modality, or modality -> probability.
        draws: the batch's random numbers.
    """
    names = tuple(batch.values)
    rate = [rates.get(name, 0.0) if isinstance(rates, Mapping) else rates for name in names]
    gone = torch.from_numpy(draws.of("modality_dropout").random((len(batch.labels), len(names)))) < torch.tensor(rate)
    gone &= ~gone.all(dim=1, keepdim=True)
    values = {
        name: torch.where(gone[:, k].to(value.device).view(-1, *[1] * (value.dim() - 1)), value.new_zeros(()), value)
        for k, (name, value) in enumerate(batch.values.items())
    }
    return replace(batch, values=values)
