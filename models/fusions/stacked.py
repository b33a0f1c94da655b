"""Late fusion by stacking (Wolpert 1992): a second classifier reads the modalities' log-probabilities.

Each modality is trained as if it were alone (`_scores.py`). Then `settle` fits a multinomial logistic regression from
the log-probabilities of all modalities to the label, on the validation side, which the first classifiers have not
trained on: least sum of cross-entropies + l2 / 2 times the sum of all squared weights, the biases among them,
so that there is one solution also where a class has no clip. (It is scikit-learn's LogisticRegression with C = 1 / l2
and a column of ones for the intercept.) Until `settle` is called it gives the mean of the probabilities.

Probabilities below a millionth count as one millionth: a classifier that is sure and wrong must not rule the fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(
    version=1,
    summary="late fusion: logistic regression on the log-probabilities, fitted on validation",
    needs="vector",
    leaves_out=True,
)

_LEAST_LOG_P = math.log(1e-6)
_MATRIX, _BIAS, _SETTLED = "matrix", "bias", "settled"


class Options(Settings):
    """Options of `stacked`."""

    l2: float = Field(
        default=1.0, gt=0, description="Weight of half the sum of squared weights beside the sum over clips."
    )


def weights(sizes: Mapping[str, int], classes: int, _options: Options) -> nn.ModuleDict:
    """A linear layer a modality; buffers for the regression: `matrix`, `bias`, and whether they are `settled`."""
    import torch

    from affectstore.models.fusions._scores import heads

    layers = heads(sizes, classes)
    layers.register_buffer(_MATRIX, torch.zeros(len(sizes) * classes, classes))
    layers.register_buffer(_BIAS, torch.zeros(classes))
    layers.register_buffer(_SETTLED, torch.tensor(False))
    return layers


def fuse(
    weights: nn.ModuleDict,
    vectors: Mapping[str, Tensor],
    criterion: Criterion | None,
    _options: Options,
    present: Mapping[str, Tensor],
) -> Output:
    """Vectors (clip, feature) to logits (clip, class) and each modality's own loss."""
    import torch

    from affectstore.models.fusions._scores import late, mean_of

    def combine(own: dict[str, Tensor]) -> Tensor:
        # Multiplied element by element: autocast would round a matrix product to half precision.
        products = _read(weights, own).unsqueeze(2) * weights.get_buffer(_MATRIX)
        stacked = products.sum(dim=1) + weights.get_buffer(_BIAS)
        return torch.where(weights.get_buffer(_SETTLED), stacked, mean_of(own.values()))

    return late(weights, vectors, criterion, combine, present, -math.inf)


def settle(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], labels: Tensor, options: Options) -> None:
    """Fit the regression to clips that were not trained on.

    Args:
        weights: of `weights`; the buffers `matrix`, `bias` and `settled` are set.
        vectors: modality -> (clip, feature), of all clips of the validation side.
        labels: int64 (clip,).
        options: `l2`.
    """
    import torch

    from affectstore.models.fusions._scores import scores

    with torch.no_grad():
        read = _read(weights, scores(weights, vectors)).double().cpu().numpy()
        matrix, bias = weights.get_buffer(_MATRIX), weights.get_buffer(_BIAS)
        fitted = regression(read, labels.cpu().numpy(), len(bias), options.l2)
        matrix.copy_(torch.from_numpy(fitted[:-1]))
        bias.copy_(torch.from_numpy(fitted[-1]))
        weights.get_buffer(_SETTLED).fill_(True)


def _read(weights: nn.ModuleDict, own: Mapping[str, Tensor]) -> Tensor:
    """Log-probabilities side by side (clip, modality x class); one that is left out knows nothing: uniform."""
    import torch

    read = torch.cat([own[modality] for modality in weights], dim=1)
    uniform = -math.log(len(weights.get_buffer(_BIAS)))
    return read.masked_fill(read == -math.inf, uniform).clamp(min=_LEAST_LOG_P)


def regression(features: np.ndarray, labels: np.ndarray, classes: int, l2: float) -> np.ndarray:
    """Multinomial logistic regression, all weights drawn to zero.

    Args:
        features: float64 (clip, feature).
        labels: int (clip,).
        classes: how many there are, with clips or without.
        l2: weight of half the sum of squares.

    Returns:
        (feature + 1, class); the last row is the bias.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    inputs = np.column_stack([features, np.ones(len(features))])
    targets = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        matrix = flat.reshape(-1, classes)
        log_p = log_softmax(inputs @ matrix, axis=1)
        slope = inputs.T @ (np.exp(log_p) - targets) + l2 * matrix
        return -(targets * log_p).sum() + l2 / 2 * (flat @ flat), slope.ravel()

    tight = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-7}
    found = minimize(loss, np.zeros(inputs.shape[1] * classes), jac=True, method="L-BFGS-B", options=tight)
    return found.x.reshape(-1, classes)


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _options: Options) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its own classifier."""
    from affectstore.models.fusions._scores import scores as own

    return own(weights, vectors)
