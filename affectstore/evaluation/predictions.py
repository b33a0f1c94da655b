"""Predictions of a run, checked before anything is counted.

Columns: instance_id clip_id audio_clip_id speaker fold seed subset condition y, and one `p_<label>` per class; modality
where an instance is one modality of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affectstore.errors import IntegrityError, StoreError
from affectstore.splits.base import SUBSETS

COLUMNS = ("instance_id", "clip_id", "audio_clip_id", "speaker", "fold", "seed", "subset", "condition", "y")
_TOLERANCE = 1e-3  # largest rounding error of a sum over classes in half precision


def read_predictions(path: Path, classes: Sequence[str], fold: int, seed: int) -> pd.DataFrame:
    """Read and check one run's predictions.

    Args:
        path: File predictions.parquet of one cell, fold and seed.
        classes: Class labels, in order.
        fold, seed: Fold and seed, as in the path.

    Returns:
        All rows of the file.

    Raises:
        StoreError: The file is missing or unreadable.
        IntegrityError: A column is missing, the classes differ, a label, subset, fold or seed is unknown, an instance
            is duplicated, or probabilities are invalid.
    """
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise StoreError(f"{path} is missing: train this cell on fold {fold} with seed {seed} first") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); delete it and train again") from error
    check_predictions(frame, classes, fold, seed, str(path))
    return frame


def check_predictions(frame: pd.DataFrame, classes: Sequence[str], fold: int, seed: int, source: str) -> None:
    """Raise IntegrityError for predictions that cannot be scored, as `read_predictions` does.

    Args:
        frame: Predictions.
        classes: Class labels, in order.
        fold, seed: Expected fold and seed.
        source: Name of the frame in messages.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise IntegrityError(f"{source}: no column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}")
    found = [str(column)[2:] for column in frame.columns if str(column).startswith("p_")]
    if found != list(classes):
        raise IntegrityError(
            f"{source}: probabilities of the classes {', '.join(found)}, in this order; "
            f"the experiment's are {', '.join(classes)}"
        )
    for column, expected in (("fold", {fold}), ("seed", {seed}), ("y", set(classes)), ("subset", set(SUBSETS))):
        strange = sorted({str(value) for value in frame[column].unique() if value not in expected})
        if strange:
            known = ", ".join(sorted(map(str, expected)))
            raise IntegrityError(f"{source}: unknown {column} {', '.join(strange)}; expected {known}")
    _check_duplicates(frame, source)
    _check_probabilities(frame, classes, source)


def _check_duplicates(frame: pd.DataFrame, source: str) -> None:
    """Refuse an instance twice in a subset and condition, by its id or its media, or in several subsets."""
    media = ["clip_id", "audio_clip_id", *(["modality"] if "modality" in frame else [])]
    for keys in (["instance_id"], media):
        where = [*keys, "subset", "condition"]
        twice = frame.duplicated(where, keep=False)
        if twice.any():
            row = frame.loc[twice].iloc[0]
            raise IntegrityError(
                f"{source}: clip {row['clip_id']!r} (instance {row['instance_id']!r}) is there more than once in "
                f"subset {row['subset']!r} under condition {row['condition']!r} ({int(twice.sum())} such rows)"
            )
    subsets = frame[["instance_id", "subset"]].drop_duplicates()
    both = subsets[subsets.duplicated("instance_id", keep=False)]
    if len(both):
        instance = both["instance_id"].iloc[0]
        named = ", ".join(sorted(both.loc[both["instance_id"] == instance, "subset"]))
        raise IntegrityError(f"{source}: instance {instance!r} is in several subsets ({named}) of one fold")


def _check_probabilities(frame: pd.DataFrame, classes: Sequence[str], source: str) -> None:
    """Refuse probabilities that are not finite, are negative or do not sum to 1."""
    p = probabilities(frame, classes)
    wrong = ~np.isfinite(p).all(axis=1)
    problem = "are not finite"
    if not wrong.any():
        wrong = (p < -_TOLERANCE).any(axis=1) | (np.abs(p.sum(axis=1, dtype=np.float64) - 1.0) > _TOLERANCE)
        problem = "are negative or do not sum to 1"
    if wrong.any():
        at = int(wrong.argmax())
        raise IntegrityError(
            f"{source}: probabilities of {int(wrong.sum())} of {len(frame)} rows {problem}; "
            f"the first is instance {frame['instance_id'].iloc[at]!r}: {p[at].tolist()}"
        )


def probabilities(frame: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Probabilities (instance, class) in their stored dtype."""
    return frame[[f"p_{label}" for label in classes]].to_numpy()


def true_indices(frame: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Index of the true class, (instance,)."""
    return pd.Categorical(frame["y"], categories=list(classes)).codes.astype(np.int64)


def speakers_of(frame: pd.DataFrame) -> pd.Series:
    """Speaker of each instance; a clip without one is a speaker of its own."""
    return frame["speaker"].astype("string").fillna("clip " + frame["clip_id"].astype("string"))
