"""Classes, human accuracy and modality names of an experiment."""

from __future__ import annotations

from collections.abc import Sequence

from affectstore.config.experiment import Cell, Experiment
from affectstore.corpora.base import Card

MULTIMODAL = "multimodal"


def classes_of(experiment: Experiment, labels: Sequence[str]) -> tuple[str, ...]:
    """Class labels in the order of tables and of the columns `p_<label>`.

    Args:
        experiment: An experiment that lists its classes, or uses those of the corpus.
        labels: Labels of the corpus, in the order of its card.
    """
    if experiment.classes:
        return experiment.classes
    return tuple(dict.fromkeys(experiment.merge.get(label, label) for label in labels))


def human_accuracy(experiment: Experiment, card: Card) -> dict[str, float]:
    """Human accuracy by modality if it was measured on the same task: intended label, all labels, all clips."""
    all_labels = set(classes_of(experiment, card.labels)) == set(card.labels) and not experiment.merge
    if experiment.label_target != "intended" or experiment.select or not all_labels:
        return {}
    return {
        modality: accuracy
        for modality, accuracy in card.human.items()
        if modality != MULTIMODAL or _only_audio_vision(experiment)
    }


def modality_label(experiment: Experiment, cell: Cell) -> str:
    """Name of the modalities of a cell in tables: `audio`, or `multimodal` for audio and vision.

    If any cell of the experiment fuses other modalities than these two, multimodal cells list theirs: `audio+text`.
    """
    single = len(cell.modalities) == 1 or _only_audio_vision(experiment)
    return cell.modality if single else "+".join(cell.modalities)


def _only_audio_vision(experiment: Experiment) -> bool:
    """True if all multimodal cells fuse audio and vision, the meaning of `multimodal` in the field's tables."""
    return all(set(cell.modalities) == {"audio", "vision"} for cell in experiment.cells if len(cell.modalities) > 1)
