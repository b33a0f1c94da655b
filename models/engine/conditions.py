"""What a trained network says of the validation and the test side, and of the test side when something is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import torch

from affectstore.config.experiment import Missing
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.predict import logits_of
from affectstore.models.engine.written import prediction_rows
from affectstore.models.network import Network
from affectstore.models.recipe import Recipe
from affectstore.models.units import units_of

#: What the name of a condition begins with; the modality that is missing follows.
_PREFIX: Mapping[Missing, str] = {"masked": "no_", "absent": "absent_"}


class Condition(NamedTuple):
    """What a network is given of a clip.

    Attributes:
        name: as in predictions: full, no_audio, absent_audio, ...
        without: the modality that is missing.
        absent: whether it is not given at all, instead of set to zero.
    """

    name: str = "full"
    without: str | None = None
    absent: bool = False


def conditions_of(recipe: Recipe, missing: Sequence[Missing]) -> Iterator[Condition]:
    """What the test side is tried under: everything, and each modality missing in each of these ways.

    Where each modality is classified for itself there is one way to miss it: its predictions are left out.
    """
    yield Condition()
    if len(recipe.modalities) > 1:
        for kind in ("masked",) if recipe.units else missing:
            yield from (Condition(_PREFIX[kind] + m, m, kind == "absent") for m in recipe.modalities)


def predictions_of(
    network: Network,
    sets: Mapping[str, ClipSet],
    scales: Mapping[str, Scale],
    batch_size: int,
    device: torch.device,
    missing: Sequence[Missing],
    fold: int,
    seed: int,
) -> tuple[list[pd.DataFrame], float]:
    """Probabilities of the validation and the test side, and the seconds that the test side took once.

    Args:
        network: in evaluation or not, on the device.
        sets: side -> its clips; without "val" where the protocol has no validation side.
        scales: how inputs are normalised.
        batch_size: clips at a time.
        device: where the network is.
        missing: how modalities are missing when the test side comes again.
        fold, seed: of the run.

    Raises:
        TrainingError: a logit is not finite.
    """
    recipe, parts, infer_s = network.recipe, [], 0.0
    for side in (side for side in ("val", "test") if side in sets):
        clips = sets[side]
        units = units_of(clips.table, recipe.units)
        for condition in conditions_of(recipe, missing) if side == "test" else (Condition(),):
            name, without, absent = condition
            tried = units
            if without is None or not recipe.units:
                start = time.perf_counter()
                logits = logits_of(network, clips, scales, batch_size, device, without, absent)
                if side == "test" and without is None:
                    infer_s = time.perf_counter() - start
            else:
                tried = units[units["modality"] != without]
            p = torch.softmax(logits, dim=1).numpy()[tried.index]
            parts.append(prediction_rows(tried, p, recipe.classes, fold=fold, seed=seed, side=side, condition=name))
    return parts, infer_s
