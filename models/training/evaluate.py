"""Predictions of a network: logits of a subset, their scores, and the test subset without each modality."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.classification import accuracy, class_recalls
from affectstore.config.experiment import Missing
from affectstore.models.cells.recipe import Recipe
from affectstore.models.data.batch import Batch, BatchMaker
from affectstore.models.data.fold import FoldData
from affectstore.models.network import Network
from affectstore.models.run_files import prediction_rows
from affectstore.models.spec import FUSIONS, TrainingError
from affectstore.models.training.loader import evaluation_batches

#: Beginning of the name of a condition; the modality that is missing follows.
_PREFIX: Mapping[Missing, str] = {"masked": "no_", "absent": "absent_"}


class Condition(NamedTuple):
    """Inputs that a network receives of a clip.

    Attributes:
        name: As in predictions: full, no_audio, absent_audio, ...
        without: The modality that is missing.
        absent: It is not passed at all, instead of set to zero.
    """

    name: str = "full"
    without: str | None = None
    absent: bool = False


#: All modalities.
FULL = Condition()


def predict_logits(model: Any, maker: BatchMaker, batch_size: int, condition: Condition = FULL) -> Tensor:
    """Logits (clip, class), float32 on the CPU, in the order of the clips.

    Args:
        model: A `Network`, wrapped by Fabric or not; it is put into evaluation mode.
        maker: Makes the batches of a subset, on the device of the model.
        batch_size: Clips at a time.
        condition: Modality that is missing.

    Returns:
        (clip, class); with `sharing: modality_agnostic` (modality x clip, class).

    Raises:
        TrainingError: A logit is not finite.
    """
    model.eval()
    parts = []
    with torch.inference_mode():
        for batch in evaluation_batches(maker, batch_size):
            if condition.without is not None:
                absent = condition.absent
                batch = batch.without(condition.without) if absent else batch.with_zeros(condition.without)
            logits = model(batch.values, batch.masks, spans=batch.spans).logits.float().cpu()
            parts.append(logits.unflatten(0, (-1, len(batch))))  # (1 or modality, clip, class)
    logits = torch.cat(parts, dim=1)
    broken = (~logits.isfinite().all(dim=2).all(dim=0)).nonzero().flatten().tolist()
    if broken:
        named = ", ".join(maker.clips.ids(broken[:10])) + (f" and {len(broken) - 10} more" if len(broken) > 10 else "")
        raise TrainingError(f"the logits of {len(broken)} of {len(maker)} clips are not finite: {named}")
    return logits.flatten(0, 1)


def score_logits(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Mean cross-entropy in nats, accuracy, and unweighted average recall over the classes that occur.

    Args:
        logits: (clip, class), or (modality x clip, class).
        labels: int64 (clip,).
    """
    labels = labels.cpu().repeat(len(logits) // len(labels))
    y, predicted = labels.numpy(), logits.argmax(dim=1).numpy()
    return {
        "loss": F.cross_entropy(logits.double(), labels).item(),
        "accuracy": accuracy(y, predicted),
        # The mean is torch's: NumPy's order of summation differs in the last bit.
        "uar": torch.from_numpy(class_recalls(y, predicted)).mean().item(),
    }


def conditions(recipe: Recipe, missing: Sequence[Missing]) -> Iterator[Condition]:
    """Conditions of the test subset: all modalities, and each one missing in each of these ways.

    Where each modality is classified by itself there is one way to miss it: its predictions are left out.
    """
    yield FULL
    if len(recipe.modalities) > 1:
        for kind in ("masked",) if recipe.instances else missing:
            yield from (Condition(_PREFIX[kind] + m, m, kind == "absent") for m in recipe.modalities)


def predict_subsets(
    network: Network, data: FoldData, device: torch.device, seed: int
) -> tuple[list[pd.DataFrame], float]:
    """Class probabilities of the validation and the test subset, and the seconds of one pass over the test subset.

    Args:
        network: On the device.
        data: Clips, normalisation and the ways in which modalities are missing.
        device: Device of the network.
        seed: Seed of the run.

    Raises:
        TrainingError: A logit is not finite.
    """
    recipe, batch_size, parts, infer_s = data.recipe, data.settings.batch_size, [], 0.0
    for subset in (subset for subset in ("val", "test") if subset in data.clips):
        clips = data.clips[subset]
        maker = BatchMaker(clips, recipe, data.scales, device)
        instances = instance_table(clips.table, recipe.instances)
        for condition in conditions(recipe, data.missing) if subset == "test" else (FULL,):
            kept = instances
            if condition.without is None or not recipe.instances:
                start = time.perf_counter()
                logits = predict_logits(network, maker, batch_size, condition)
                if subset == "test" and condition.without is None:
                    infer_s = time.perf_counter() - start
            else:
                kept = instances[instances["modality"] != condition.without]
            p = torch.softmax(logits, dim=1).numpy()[kept.index]
            of = {"fold": data.facts.fold, "seed": seed, "subset": subset, "condition": condition.name}
            parts.append(prediction_rows(kept, p, recipe.classes, of))
    return parts, infer_s


def instance_table(clips: pd.DataFrame, modalities: Sequence[str]) -> pd.DataFrame:
    """Rows that are classified, in the order of the logits, numbered from 0.

    Args:
        clips: Columns clip_id, speaker and label.
        modalities: Modalities that are classified by themselves; empty where clips are classified.

    Returns:
        The same rows, or as many for each modality with a column of its name.
    """
    parts = [clips.assign(modality=modality) for modality in modalities] or [clips]
    return pd.concat(parts, ignore_index=True)


def check_modalities_affect_logits(network: Network, batch: Batch) -> None:
    """Check that every modality changes the logits, except those that the fusion ignores on purpose.

    Each modality's values are replaced by noise of growing size: a network may be nearly flat where it starts, but an
    input that is not read changes no bit.

    Raises:
        TrainingError: A modality changes nothing.
    """
    recipe, used = network.recipe, network.recipe.modalities
    if recipe.fusion is not None:
        used = FUSIONS.load(recipe.fusion.name).Options(**recipe.fusion.options).used_modalities(used)
    generator = torch.Generator().manual_seed(0)
    network.eval()
    with torch.inference_mode():
        before = network(batch.values, batch.masks, spans=batch.spans).logits
        for modality in used:
            values = batch.values[modality]
            for size in (1.0, 10.0, 100.0, 1000.0):
                noise = (size * torch.randn(values.shape, generator=generator)).to(values.device)
                other = network({**batch.values, modality: noise}, batch.masks, spans=batch.spans).logits
                if not torch.equal(other, before):
                    break
            else:
                raise TrainingError(
                    f"{modality} does not change the logits: encoder {recipe.encoders[modality].name!r}"
                    + (f" with fusion {recipe.fusion.name!r}" if recipe.fusion else "")
                    + f" received {', '.join(recipe.modalities)}, but {modality} has no effect; check what the fusion "
                    "joins and what the encoder reads of it"
                )


def calibrate(network: Network, data: FoldData, device: torch.device) -> None:
    """Let the fusion fit its parameters on the validation subset, where it has such and there is one.

    Args:
        network: With the weights of the chosen epoch; changed in place.
        data: Clips and normalisation.
        device: Device of the network.
    """
    val, recipe = data.clips.get("val"), data.recipe
    if network.fusion is None or val is None or not calibrates(recipe):
        return
    network.eval()
    maker = BatchMaker(val, recipe, data.scales, device)
    parts: dict[str, list[Tensor]] = {modality: [] for modality in recipe.modalities}
    with torch.inference_mode():
        for batch in evaluation_batches(maker, data.settings.batch_size):
            for modality, encoded in network.encode(batch.values, batch.masks).items():
                parts[modality].append(encoded.vector.float())
    vectors = {modality: torch.cat(these).clone() for modality, these in parts.items()}
    network.fusion.calibrate(vectors, val.labels.to(device))


def calibrates(recipe: Recipe) -> bool:
    """Test if the fusion fits parameters on the validation subset."""
    return recipe.fusion is not None and FUSIONS.load(recipe.fusion.name).SPEC.calibrates
