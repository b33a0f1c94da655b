"""Files of one run, of a network or a baseline; and the condition for a run to be complete.

model.safetensors     weights, or the numbers of a baseline
model.json            recipe, normalisation and digests
predictions.parquet   class probabilities of the validation and the test subset
history.csv           one row per epoch
run.json              facts of the run; written last
"""

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

from affectstore.errors import StaleError
from affectstore.files import write_atomic
from affectstore.weights.random import BADGE

RUN, PREDICTIONS, HISTORY = "run.json", "predictions.parquet", "history.csv"
WEIGHTS, RECIPE = "model.safetensors", "model.json"

#: Format of model.json; 2 has the names of today's settings and parameters.
FORMAT = 2


@dataclass(frozen=True)
class FoldFacts:
    """Facts about the clips of a cell and fold, for all its runs.

    Attributes:
        cell: Id of the cell.
        fold: Fold of the protocol.
        n: Subset -> number of clips that were used, 0 for a subset that the protocol does not have.
        excluded: Reason -> number of clips left out by split, label or selection.
        skipped: Reason -> number of clips left out for want of a usable feature.
        skipped_test: Number of those that would have been tested.
        random_weights: Features behind the inputs that were computed with random weights.
    """

    cell: str
    fold: int
    n: Mapping[str, int]
    excluded: Mapping[str, int]
    skipped: Mapping[str, int]
    skipped_test: int
    random_weights: tuple[str, ...] = ()


def is_complete(folder: Path, digests: Mapping[str, str]) -> bool:
    """Test if a folder holds a complete run with these digests."""
    facts = read_facts(folder)
    files = (WEIGHTS, RECIPE, PREDICTIONS, HISTORY)
    return (
        facts is not None and facts.get("digests") == dict(digests) and all((folder / name).is_file() for name in files)
    )


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Facts in run.json of a folder; None where there is none that can be read."""
    try:
        facts: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts


def begin_run(folder: Path) -> None:
    """Make the folder, and remove run.json, which marks a complete run."""
    (folder / RUN).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def write_history(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one row per epoch; the heading alone for baselines that are not trained in epochs."""
    table = pd.DataFrame(history) if history else pd.DataFrame({"epoch": []})
    write_atomic(folder / HISTORY, table.to_csv(index=False).encode())


def write_predictions(folder: Path, parts: Sequence[pd.DataFrame]) -> None:
    """Write the predictions of all subsets and conditions."""
    buffer = io.BytesIO()
    pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False)
    write_atomic(folder / PREDICTIONS, buffer.getvalue())


def finish_run(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write run.json, the last file, which marks the run as complete."""
    write_atomic(folder / RUN, (json.dumps(facts, indent=1) + "\n").encode())


def write_record(folder: Path, digests: Mapping[str, str], contents: Mapping[str, Any]) -> None:
    """Write model.json: format, digests and contents."""
    record = {"format": FORMAT, "digests": dict(digests), **contents}
    write_atomic(folder / RECIPE, (json.dumps(record, indent=1) + "\n").encode())


def read_record(folder: Path, expected: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read model.json of a run.

    Args:
        folder: Folder of the run.
        expected: Digests that it must have; it may have more.

    Raises:
        FileNotFoundError: There is none.
        StaleError: It was trained on something else than expected, does not state on what, or is of an earlier version.
    """
    path = folder / RECIPE
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    again = f"delete {folder.parent}, and `affectstore run` trains it again"
    if record.get("format") != FORMAT:
        raise StaleError(f"{path} has format {record.get('format')}, this version reads {FORMAT}; {again}")
    if "digests" not in record:
        raise StaleError(f"{path} does not contain the digests of what it was trained on; {again}")
    for part, value in (expected or {}).items():
        if (found := record["digests"].get(part)) != value:
            raise StaleError(
                f"{path} was trained on another {part}: its digest is {str(found)[:12]}, expected is {value[:12]}; "
                f"{again}"
            )
    return record


def update_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Replace the digests in model.json by those of the run that takes over a trial of its grid."""
    record = read_record(folder)
    write_record(folder, digests, {key: value for key, value in record.items() if key not in ("format", "digests")})


def prediction_rows(
    instances: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str], of: Mapping[str, Any]
) -> pd.DataFrame:
    """Predictions as scoring reads them.

    Args:
        instances: Columns clip_id, speaker, label, and modality where each modality of a clip is classified by itself.
        probabilities: float32 (instance, class), in the order of the rows.
        classes: Class labels, in the order of the probabilities.
        of: fold, seed, subset and condition of the predictions.
    """
    ids = instance_ids = audio = instances["clip_id"]
    if "modality" in instances:
        instance_ids, audio = ids + ":" + instances["modality"], ids.where(instances["modality"] == "audio")
    columns: dict[str, Any] = {
        "instance_id": instance_ids,
        "clip_id": ids,
        "audio_clip_id": audio,
        "speaker": instances["speaker"],
        **of,
        "y": instances["label"],
    }
    if "modality" in instances:
        columns["modality"] = instances["modality"]
    columns |= {f"p_{label}": probabilities[:, k] for k, label in enumerate(classes)}
    return pd.DataFrame(columns)


def common_facts(
    fold: FoldFacts, seed: int, digests: Mapping[str, str], badges: Sequence[str], packages: Iterable[str]
) -> dict[str, Any]:
    """Facts that run.json states of every run.

    Args:
        fold: Facts of the run's cell and fold.
        seed: Seed of the run.
        digests: Digests of its settings and data.
        badges: Notes on the row in every table.
        packages: Distributions whose versions matter.
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
    """Peak memory of this process so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes there, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model name of the CPU as Linux lists it; elsewhere that of the platform, at least its architecture.

    Args:
        cpuinfo: Linux' list of the machine's processors.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == "model name")
    return next(filter(None, named), "") or platform.processor() or platform.machine()
