"""Majority class of the training subset for every clip: UAR is one over the number of classes.

The probabilities are the class frequencies of the training subset, so that the loss is that of knowing them alone. Of
equally frequent classes the first is predicted.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from affectstore.config.base import Settings
from affectstore.models.baseline_spec import BaselineSpec, Examples, Fit, class_frequencies

SPEC = BaselineSpec(version=1, summary="most frequent class of the training subset", reads_features=False)


class Options(Settings):
    """`majority` has no options."""


def fit(train: Examples, _val: Examples | None, num_classes: int, _seed: int, _options: Options) -> Fit:
    """Count the classes."""
    return Fit({"frequencies": class_frequencies(train.y, num_classes)}, num_classes, "nothing to choose")


def probabilities(state: Mapping[str, np.ndarray], ids: tuple[str, ...], _x: Any) -> np.ndarray:
    """Class frequencies (clip, class), the same for every clip."""
    return np.tile(state["frequencies"], (len(ids), 1))
