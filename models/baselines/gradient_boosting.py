"""Gradient boosting of regression trees on histograms (Friedman 2001; Ke et al. 2017), as scikit-learn grows them.

It stops when the loss on the validation side (never a part of the training side) no longer falls, and the number of
rounds with the least loss is kept. The seed draws the columns that each split may use. Fitted trees are kept as plain
arrays, and predicted from by `probabilities`: nothing of the library is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from affectstore.models.base import TrainingError
from affectstore.models.baselines.base import BaselineSpec, Examples, Fit, ReadingOptions, seen_classes, softmax

SPEC = BaselineSpec(version=1, summary="gradient boosting of trees, stopped on validation", reads=True)

_NODES = {"left": np.int64, "right": np.int64, "column": np.int64, "threshold": np.float64, "value": np.float64}


class Options(ReadingOptions):
    """Options of `gradient_boosting`."""

    learning_rate: float = Field(default=0.1, gt=0, le=1, description="What each tree's values are multiplied with.")
    rounds: int = Field(default=100, ge=1, description="Most rounds; each grows one tree a class.")
    patience: int = Field(default=10, ge=1, description="Stop after so many rounds without a smaller validation loss.")
    leaves: int = Field(default=31, ge=2, description="Most leaves of a tree.")
    leaf_clips: int = Field(default=20, ge=1, description="Fewest clips of a leaf.")
    l2: float = Field(default=0.0, ge=0, description="L2 regularisation of the leaves' values.")
    bins: int = Field(default=64, ge=2, le=255, description="Values that a column is told apart by, at most.")
    columns: float = Field(default=0.5, gt=0, le=1, description="Share of the columns drawn for each split.")
    class_weight: Literal["none", "balanced"] = Field(
        default="none", description="`balanced`: errors on a class weigh as much as it is rare."
    )


def fit(train: Examples, val: Examples | None, classes: int, seed: int, options: Options) -> Fit:
    """Grow trees until the validation loss no longer falls; without a validation side, all rounds.

    Raises:
        TrainingError: the training side has one class, or the trees do not give what the library gives.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    seen = seen_classes(train.y)
    # A class that was never seen has probability 0 in every round: it says nothing about when to stop.
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
    sides = {"X_val": val.x[held], "y_val": val.y[held]} if val is not None and stops else {}
    booster.fit(train.x, train.y, **sides)
    state = _trees(booster, seen, classes, booster.n_iter_)
    _check(state, booster, seen, train)
    if not stops:
        return Fit(state, _count(state), f"all {options.rounds} rounds", best_epoch=booster.n_iter_)
    val_loss = -booster.validation_score_
    best = int(val_loss.argmin())
    history = tuple(
        {"epoch": k, "train_loss": float(-booster.train_score_[k]), "val_loss": float(val_loss[k])}
        for k in range(1, booster.n_iter_ + 1)
    )
    state = _trees(booster, seen, classes, best)
    return Fit(state, _count(state), f"validation loss: {best} rounds", history=history, best_epoch=best)


def probabilities(state: Mapping[str, np.ndarray], _ids: Any, x: np.ndarray) -> np.ndarray:
    """Softmax of what the trees of each class add up to."""
    scores = np.tile(state["base"], (len(x), 1))
    rows = np.arange(len(x))
    for root, label in zip(state["roots"], state["classes"], strict=True):
        node = np.full(len(x), root)
        while (inner := state["left"][node] >= 0).any():
            low = x[rows, state["column"][node]] <= state["threshold"][node]
            node = np.where(inner, np.where(low, state["left"][node], state["right"][node]), node)
        scores[:, label] += state["value"][node]
    return softmax(scores)


def _trees(booster: Any, seen: np.ndarray, classes: int, rounds: int) -> dict[str, np.ndarray]:
    """The trees of the first rounds: nodes one behind the other, children by place, -1 below a leaf."""
    labels = seen if len(seen) > 2 else seen[1:]  # two classes: trees of the second alone
    base = np.full(classes, -np.inf)
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


def _check(state: Mapping[str, np.ndarray], booster: Any, seen: np.ndarray, train: Examples) -> None:
    """Trees are read from fields that the library does not promise to keep: see that they are what they were.

    Raises:
        TrainingError: the trees give other probabilities than the library.
    """
    import sklearn

    own, theirs = probabilities(state, train.ids, train.x)[:, seen], booster.predict_proba(train.x)
    if not np.allclose(own, theirs, rtol=0, atol=1e-9):
        raise TrainingError(
            f"gradient_boosting cannot read the trees of scikit-learn {sklearn.__version__}: probabilities differ by "
            f"up to {np.abs(own - theirs).max():.3g}; install the version that constraints.txt names"
        )


def _count(state: Mapping[str, np.ndarray]) -> int:
    """A threshold for each split, a value for each leaf, and where each class begins."""
    return len(state["left"]) + len(state["base"])
