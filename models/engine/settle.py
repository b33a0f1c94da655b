"""What of a network is fitted once its epoch is chosen: score fusions weigh their parts on the validation side."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.read_ahead import all_batches
from affectstore.models.network import Network


def settle(
    network: Network, val: ClipSet | None, scales: Mapping[str, Scale], batch_size: int, device: torch.device
) -> None:
    """Let the fusion fit what it fits on the validation side; most fit nothing.

    Args:
        network: with the weights of the chosen epoch; changed in place.
        val: the validation side; without one the fusion stays as it starts.
        scales: how inputs are normalised.
        batch_size: clips at a time.
        device: where the network is.
    """
    if val is None or not network.settles:
        return
    network.eval()
    parts: dict[str, list[torch.Tensor]] = {modality: [] for modality in network.recipe.modalities}
    with torch.inference_mode():
        for batch in all_batches(val, network.recipe, scales, batch_size, device):
            for modality, encoded in network.encode(batch.values, batch.masks).items():
                parts[modality].append(encoded.vector.float())
    network.settle({modality: torch.cat(vectors).clone() for modality, vectors in parts.items()}, val.labels.to(device))
