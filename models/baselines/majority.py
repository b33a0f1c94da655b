"""The largest class of the training side, whatever the clip: UAR is one over the number of classes.

The probabilities are the classes' shares on the training side, of which the largest is the prediction, so that
the loss is that of knowing the shares alone. Of classes of the same size the first is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from affectstore.config.base import Settings
from affectstore.models.baselines.base import BaselineSpec, Examples, Fit, class_shares

SPEC = BaselineSpec(version=1, summary="always the largest class of the training side", reads=False)


class Options(Settings):
    """Options of `majority`: none."""


def fit(train: Examples, _val: Examples | None, classes: int, _seed: int, _options: Options) -> Fit:
    """Count the classes."""
    return Fit({"shares": class_shares(train.y, classes)}, classes, "nothing to choose")


def probabilities(state: Mapping[str, np.ndarray], ids: tuple[str, ...], _x: Any) -> np.ndarray:
    """The shares, for every clip."""
    return np.tile(state["shares"], (len(ids), 1))
