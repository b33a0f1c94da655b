"""Which classes and modalities an experiment tells apart."""

from __future__ import annotations

from collections.abc import Sequence

from affectstore.config.experiment import Cell, Experiment
from affectstore.corpora.base import Card

MULTIMODAL = "multimodal"


def classes_of(experiment: Experiment, labels: Sequence[str]) -> tuple[str, ...]:
    """Class labels in the order of tables and of the columns `p_<label>`.

    Args:
        experiment: names its classes, or leaves them to the corpus.
        labels: labels of the corpus, in the order of its card.
    """
    if experiment.classes:
        return experiment.classes
    return tuple(dict.fromkeys(experiment.merge.get(label, label) for label in labels))


def human_accuracy(experiment: Experiment, card: Card) -> dict[str, float]:
    """Human accuracy by modality where it measures the same task: intended label, all labels, all clips."""
    whole = set(classes_of(experiment, card.labels)) == set(card.labels) and not experiment.merge
    if experiment.label_target != "intended" or experiment.select or not whole:
        return {}
    return {
        modality: accuracy for modality, accuracy in card.human.items() if modality != MULTIMODAL or _usual(experiment)
    }


def modality_label(experiment: Experiment, cell: Cell) -> str:
    """The tables' word for what a cell reads: `audio`, or `multimodal` for audio and vision.

    Where any row of the experiment joins others than these two, those that it joins are named: `audio+text`.
    """
    return cell.modality if len(cell.modalities) == 1 or _usual(experiment) else "+".join(cell.modalities)


def _usual(experiment: Experiment) -> bool:
    """Whether all rows of several modalities are of audio and vision, what `multimodal` means in the field's tables."""
    return all(set(cell.modalities) == {"audio", "vision"} for cell in experiment.cells if len(cell.modalities) > 1)
