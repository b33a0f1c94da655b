"""Gradient boosting of regression trees on histograms (Friedman 2001; Ke et al. 2017), as implemented by scikit-learn.

It stops when the loss on the validation subset (never a part of the training subset) no longer falls, and the number of
rounds with the smallest loss is kept. The seed selects the columns that each split may use. Fitted trees are kept as
plain arrays, and predicted from by `probabilities`: no object of the library is saved.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from affectstore.models.baseline_spec import BaselineSpec, Examples, Fit, PoolingOptions, classes_present, softmax
from affectstore.models.spec import TrainingError

SPEC = BaselineSpec(
    version=1,
    summary="gradient boosting of trees, stopped on validation",
    reads_features=True,
    paper="Ke et al. 2017, LightGBM: A Highly Efficient Gradient Boosting Decision Tree; Friedman 2001",
)

_NODES = {"left": np.int64, "right": np.int64, "column": np.int64, "threshold": np.float64, "value": np.float64}


class Options(PoolingOptions):
    """Options of `gradient_boosting`."""

    learning_rate: float = Field(default=0.1, gt=0, le=1, description="Factor of each tree's values.")
    rounds: int = Field(default=100, ge=1, description="Maximum rounds; each grows one tree per class.")
    patience: int = Field(
        default=10, ge=1, description="Rounds without a smaller validation loss after which it stops."
    )
    leaves: int = Field(default=31, ge=2, description="Maximum leaves of a tree.")
    leaf_clips: int = Field(default=20, ge=1, description="Minimum clips of a leaf.")
    l2: float = Field(default=0.0, ge=0, description="L2 regularisation of the leaves' values.")
    bins: int = Field(default=64, ge=2, le=255, description="Maximum bins of a column's values.")
    columns: float = Field(
        default=0.5, gt=0, le=1, description="Share of the columns, selected at random, that each split may use."
    )
    class_weight: Literal["none", "balanced"] = Field(
        default="none", description="`balanced`: classes weigh inversely to their frequency."
    )


def fit(train: Examples, val: Examples | None, num_classes: int, seed: int, options: Options) -> Fit:
    """Grow trees until the validation loss no longer falls; without a validation subset, all rounds.

    Raises:
        TrainingError: The training subset has one class, or the trees predict otherwise than the library.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    seen = classes_present(train.y)
    # A class that was never seen has probability 0 in every round, and no influence on when to stop.
    held = np.isin(val.y, seen) if val is not None else np.zeros(0, dtype=bool)
    stops = bool(held.any())
    booster = HistGradientBoostingClassifier(
        learning_rate=options.learning_rate,
        max_iter=options.rounds,
        max_leaf_nodes=options.leaves,
        min_samples_leaf=options.leaf_clips,
        l2_regularization=options.l2,
        max_bins=options.bins,
        max_features=options.columns,
        class_weight=None if options.class_weight == "none" else "balanced",
        early_stopping=stops,
        n_iter_no_change=options.patience,
        random_state=seed,
    )
    validation = {"X_val": val.x[held], "y_val": val.y[held]} if val is not None and stops else {}
    booster.fit(train.x, train.y, **validation)
    state = _trees(booster, seen, num_classes, booster.n_iter_)
    _check_trees(state, booster, seen, train)
    if not stops:
        return Fit(state, _num_parameters(state), f"all {options.rounds} rounds", best_epoch=booster.n_iter_)
    val_loss = -booster.validation_score_
    best = int(val_loss.argmin())
    history = tuple(
        {"epoch": k, "train_loss": float(-booster.train_score_[k]), "val_loss": float(val_loss[k])}
        for k in range(1, booster.n_iter_ + 1)
    )
    state = _trees(booster, seen, num_classes, best)
    return Fit(state, _num_parameters(state), f"validation loss: {best} rounds", history=history, best_epoch=best)


def probabilities(state: Mapping[str, np.ndarray], _ids: Any, x: np.ndarray) -> np.ndarray:
    """Softmax (clip, class) of the sums of each class' trees."""
    scores = np.tile(state["base"], (len(x), 1))
    rows = np.arange(len(x))
    for root, label in zip(state["roots"], state["classes"], strict=True):
        node = np.full(len(x), root)
        while (inner := state["left"][node] >= 0).any():
            low = x[rows, state["column"][node]] <= state["threshold"][node]
            node = np.where(inner, np.where(low, state["left"][node], state["right"][node]), node)
        scores[:, label] += state["value"][node]
    return softmax(scores)


def _trees(booster: Any, seen: np.ndarray, num_classes: int, rounds: int) -> dict[str, np.ndarray]:
    """Trees of the first rounds: their nodes joined, children by place, -1 below a leaf."""
    labels = seen if len(seen) > 2 else seen[1:]  # two classes: trees of the second alone
    base = np.full(num_classes, -np.inf)
    base[seen] = 0.0
    base[labels] = booster._baseline_prediction.ravel()
    trees = [
        (tree.nodes, label) for one in booster._predictors[:rounds] for tree, label in zip(one, labels, strict=True)
    ]
    roots = np.cumsum([0, *(len(nodes) for nodes, _ in trees)])[:-1].astype(np.int64)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in _NODES}
    for root, (nodes, _) in zip(roots, trees, strict=True):
        leaf = nodes["is_leaf"].astype(bool)
        parts["left"].append(np.where(leaf, -1, nodes["left"].astype(np.int64) + root))
        parts["right"].append(np.where(leaf, -1, nodes["right"].astype(np.int64) + root))
        parts["column"].append(np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64))
        parts["threshold"].append(np.where(leaf, 0.0, nodes["num_threshold"]))
        parts["value"].append(np.where(leaf, nodes["value"], 0.0))
    joined = {name: np.concatenate([np.zeros(0, _NODES[name]), *arrays]) for name, arrays in parts.items()}
    return {"base": base, "roots": roots, "classes": np.array([label for _, label in trees], dtype=np.int64), **joined}


def _check_trees(state: Mapping[str, np.ndarray], booster: Any, seen: np.ndarray, train: Examples) -> None:
    """Compare the trees, read from private fields of the library, with the library's own predictions.

    Raises:
        TrainingError: The probabilities differ.
    """
    import sklearn

    own, theirs = probabilities(state, train.ids, train.x)[:, seen], booster.predict_proba(train.x)
    if not np.allclose(own, theirs, rtol=0, atol=1e-9):
        raise TrainingError(
            f"gradient_boosting cannot read the trees of scikit-learn {sklearn.__version__}: probabilities differ by "
            f"up to {np.abs(own - theirs).max():.3g}; install the version that constraints.txt names"
        )


def _num_parameters(state: Mapping[str, np.ndarray]) -> int:
    """Count a threshold per split, a value per leaf, and a start value per class."""
    return len(state["left"]) + len(state["base"])
