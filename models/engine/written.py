"""The files of one run, whatever was fitted: what they hold, and when a run is whole."""

from __future__ import annotations

import io
import json
import platform
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectstore.files import write_atomic
from affectstore.models.engine.saved import RECIPE, WEIGHTS
from affectstore.weights.random import BADGE

RUN, PREDICTIONS, HISTORY = "run.json", "predictions.parquet", "history.csv"


@dataclass(frozen=True)
class FoldFacts:
    """What all runs of a cell and fold have to say of their clips.

    Attributes:
        cell: id of the cell.
        fold: fold of the protocol.
        n: side -> clips that were used, 0 for a side that the protocol does not have.
        excluded: reason -> clips left out by split, label or selection.
        skipped: reason -> clips left out for want of a usable feature.
        skipped_test: how many of those would have been tested.
        random_weights: features behind the inputs that were computed with random weights.
    """

    cell: str
    fold: int
    n: Mapping[str, int]
    excluded: Mapping[str, int]
    skipped: Mapping[str, int]
    skipped_test: int
    random_weights: tuple[str, ...] = ()


def is_complete(folder: Path, digests: Mapping[str, str]) -> bool:
    """Whether a folder holds a whole run that follows from the same."""
    facts = read_facts(folder)
    files = (WEIGHTS, RECIPE, PREDICTIONS, HISTORY)
    return (
        facts is not None and facts.get("digests") == dict(digests) and all((folder / name).is_file() for name in files)
    )


def read_facts(folder: Path) -> dict[str, Any] | None:
    """What run.json of a folder holds; None where there is none that can be read."""
    try:
        facts: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts


def begin_run(folder: Path) -> None:
    """Make the folder, and drop what said that a run in it was whole."""
    (folder / RUN).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def write_history(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one row an epoch; the heading alone for what is not trained in epochs."""
    table = pd.DataFrame(history) if history else pd.DataFrame({"epoch": []})
    write_atomic(folder / HISTORY, table.to_csv(index=False).encode())


def write_predictions(folder: Path, parts: Sequence[pd.DataFrame]) -> None:
    """Write the predictions of all sides and conditions."""
    buffer = io.BytesIO()
    pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False)
    write_atomic(folder / PREDICTIONS, buffer.getvalue())


def finish_run(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write run.json, which comes last and says that the run is whole."""
    write_atomic(folder / RUN, (json.dumps(facts, indent=1) + "\n").encode())


def prediction_rows(
    clips: pd.DataFrame,
    probabilities: np.ndarray,
    classes: Sequence[str],
    *,
    fold: int,
    seed: int,
    side: str,
    condition: str,
) -> pd.DataFrame:
    """Predictions as scoring reads them.

    Args:
        clips: columns clip_id, speaker, label, and modality where each modality of a clip is classified for itself.
        probabilities: float32 (unit, class), in the order of the rows.
        classes: class labels, in the order of the probabilities.
        fold, seed, side, condition: what the predictions are of.
    """
    ids = units = sound = clips["clip_id"]
    if "modality" in clips:
        units, sound = ids + ":" + clips["modality"], ids.where(clips["modality"] == "audio")
    columns: dict[str, Any] = {
        "unit_id": units,
        "clip_id": ids,
        "audio_clip_id": sound,
        "speaker": clips["speaker"],
        "fold": fold,
        "seed": seed,
        "side": side,
        "condition": condition,
        "y": clips["label"],
    }
    if "modality" in clips:
        columns["modality"] = clips["modality"]
    columns |= {f"p_{label}": probabilities[:, k] for k, label in enumerate(classes)}
    return pd.DataFrame(columns)


def common_facts(
    fold: FoldFacts, seed: int, digests: Mapping[str, str], badges: Sequence[str], packages: Iterable[str]
) -> dict[str, Any]:
    """What run.json says of every run.

    Args:
        fold: of the run's cell and fold.
        seed: of the run.
        digests: what it follows from.
        badges: what nobody may overlook, each a flag of the row in every table.
        packages: distributions whose versions matter.
    """
    random = [f"{BADGE}: {', '.join(fold.random_weights)}"] if fold.random_weights else []
    return {
        "cell": fold.cell,
        "fold": fold.fold,
        "seed": seed,
        "digests": dict(digests),
        "init_from": None,
        "badges": [*badges, *random],
        "random_weights": list(fold.random_weights),
        "machine": platform.machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "n": dict(fold.n),
        "excluded": dict(fold.excluded),
        "skipped": dict(fold.skipped),
        "skipped_test": fold.skipped_test,
    }


def peak_memory_mb() -> float:
    """Most memory that this process has used so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
