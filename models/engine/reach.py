"""Whether what is given to a network has any effect on what it says."""

from __future__ import annotations

import torch

from affectstore.models.base import TrainingError
from affectstore.models.data.batch import Batch
from affectstore.models.network import Network


def check_modalities(network: Network, batch: Batch) -> None:
    """Check that every modality given changes the logits, but for those that the fusion ignores on purpose.

    Each modality's values are replaced by noise of growing size: a network may be nearly flat where it
    starts, but an input that goes nowhere changes no bit.

    Raises:
        TrainingError: a modality never arrives.
    """
    generator = torch.Generator().manual_seed(0)
    network.eval()
    with torch.inference_mode():
        before = network(batch.values, batch.masks, spans=batch.spans).logits
        for modality in network.heard:
            values = batch.values[modality]
            for size in (1.0, 10.0, 100.0, 1000.0):
                noise = (size * torch.randn(values.shape, generator=generator)).to(values.device)
                other = network({**batch.values, modality: noise}, batch.masks, spans=batch.spans).logits
                if not torch.equal(other, before):
                    break
            else:
                recipe = network.recipe
                raise TrainingError(
                    f"{modality} does not change the logits: encoder {recipe.encoders[modality].name!r}"
                    + (f" with fusion {recipe.fusion.name!r}" if recipe.fusion else "")
                    + f" was given {', '.join(recipe.modalities)}, but {modality} never arrives; check what the "
                    "fusion joins and what the encoder reads of it"
                )
