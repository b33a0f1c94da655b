"""Which classes an experiment tells apart."""

from __future__ import annotations

from collections.abc import Sequence

from affectstore.config.experiment import Experiment
from affectstore.corpora.base import Card


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
    return dict(card.human)
