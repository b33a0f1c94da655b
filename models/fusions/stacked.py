"""Late fusion by stacking (Wolpert 1992): a second classifier reads the modalities' log-probabilities.

Each modality is trained as if it were alone (see `blocks/late.py`). Then `calibrate` fits a multinomial logistic
regression from the log-probabilities of all modalities to the label, on the validation subset, on which the first
classifiers were not trained. It minimises the sum of cross-entropies + l2 / 2 times the sum of all squared weights,
the biases among them, so that there is one solution also where a class has no clip. (It is scikit-learn's
LogisticRegression with C = 1 / l2 and a column of ones for the intercept.) Until `calibrate` is called the logits are
those of `mean`.

Probabilities below a millionth count as one millionth: a classifier that is sure and wrong must not dominate the fit.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from affectstore.models.blocks.late import LateFusion, log_mean
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="late fusion: logistic regression on the log-probabilities, fitted on validation",
    needs="vector",
    paper="Wolpert 1992, Stacked Generalization",
    handles_missing=True,
    calibrates=True,
)

_MIN_LOG_P = math.log(1e-6)


class Options(FusionOptions):
    """Options of `stacked`."""

    l2: float = Field(
        default=1.0, gt=0, description="Weight of half the sum of squared weights beside the sum over clips."
    )


class Stacked(LateFusion):
    """Classify the log-probabilities of all modalities by logistic regression."""

    weight: Tensor
    bias: Tensor
    calibrated: Tensor

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__(dims, num_classes, options)
        self.l2 = options.l2
        self.register_buffer("weight", torch.zeros(len(dims) * num_classes, num_classes))
        self.register_buffer("bias", torch.zeros(num_classes))
        self.register_buffer("calibrated", torch.tensor(False))

    def combine(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """Logits (clip, class) of the regression."""
        # Multiplied element by element: autocast would round a matrix product to half precision.
        products = self._features(log_p).unsqueeze(2) * self.weight
        stacked = products.sum(dim=1) + self.bias
        return torch.where(self.calibrated, stacked, log_mean(log_p.values()))

    @torch.no_grad()
    def calibrate(self, vectors: Mapping[str, Tensor], labels: Tensor) -> None:
        """Fit the regression.

        Args:
            vectors: Modality -> (clip, dim), of all clips of the validation subset.
            labels: int64 (clip,).
        """
        features = self._features(self.classify(vectors)).double().cpu().numpy()
        fitted = regression(features, labels.cpu().numpy(), len(self.bias), self.l2)
        self.weight.copy_(torch.from_numpy(fitted[:-1]))
        self.bias.copy_(torch.from_numpy(fitted[-1]))
        self.calibrated.fill_(True)

    def _features(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """Log-probabilities side by side (clip, modality x class); uniform ones for a modality that a clip lacks."""
        joined = torch.cat([log_p[modality] for modality in self.heads], dim=1)
        uniform = -math.log(len(self.bias))
        return joined.masked_fill(joined == -math.inf, uniform).clamp(min=_MIN_LOG_P)


def regression(features: np.ndarray, labels: np.ndarray, num_classes: int, l2: float) -> np.ndarray:
    """Fit a multinomial logistic regression with a penalty on all weights.

    Args:
        features: float64 (clip, feature).
        labels: int (clip,).
        num_classes: Number of classes, with clips or without.
        l2: Weight of half the sum of squares.

    Returns:
        (feature + 1, class); the last row is the bias.
    """
    inputs = np.column_stack([features, np.ones(len(features))])
    targets = np.eye(num_classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight = flat.reshape(-1, num_classes)
        log_p = log_softmax(inputs @ weight, axis=1)
        gradient = inputs.T @ (np.exp(log_p) - targets) + l2 * weight
        return -(targets * log_p).sum() + l2 / 2 * (flat @ flat), gradient.ravel()

    tolerances = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-7}
    start = np.zeros(inputs.shape[1] * num_classes)
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", options=tolerances)
    return solution.x.reshape(-1, num_classes)


build = Stacked
