"""Results of one experiment, independent of any file format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from affectstore.config.experiment import Cell, Experiment
from affectstore.corpora.base import Card
from affectstore.errors import IntegrityError
from affectstore.evaluation.classes import classes_of, human_accuracy, modality_label
from affectstore.evaluation.metrics import METRICS
from affectstore.evaluation.row_notes import row_notes
from affectstore.evaluation.runs import Run
from affectstore.evaluation.score import POOLED

#: Metrics of the wide table, in the order of its columns.
SHOWN = ("accuracy", "uar", "macro_f1", "loss")
MODALITY_ORDER = ("audio", "vision", "text", "multimodal")


@dataclass(frozen=True)
class Summary:
    """One metric of one row: mean and standard deviation over seeds of the score pooled over folds, 95 % interval.

    `sd` is NaN with a single seed.
    """

    mean: float
    sd: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Row:
    """Results of one cell.

    Attributes:
        modality: Name of its modalities in tables: audio, multimodal, audio+text.
        n_test: Number of pooled predictions per seed.
        n_clips, n_speakers: Numbers of clips and speakers of these predictions.
        skipped: Reason -> clips that the runs could not use.
        excluded: Reason -> clips that the split, the label target or the selection excludes.
        values: Every metric with the full input (`recall:ANG` for a class).
        conditions: Other test condition, such as a missing modality -> every metric under it.
        best: Metrics in which no other row of the modality is better.
        notes: Row notes; columns named "flags".
        chosen: Options chosen from the grid of the cell -> folds that chose them.
    """

    cell: Cell
    modality: str
    n_seeds: int
    folds: tuple[int, ...]
    n_test: int
    n_clips: int
    n_speakers: int
    skipped: Mapping[str, int]
    excluded: Mapping[str, int]
    values: Mapping[str, Summary]
    conditions: Mapping[str, Mapping[str, Summary]]
    best: frozenset[str]
    notes: tuple[str, ...]
    chosen: Mapping[str, tuple[int, ...]]

    @property
    def fusion_label(self) -> str:
        """Fusion and weight sharing; empty for one modality."""
        parts = [part for part in (self.cell.fusion, self.cell.sharing) if part]
        return f"{parts[0]} ({parts[1]})" if len(parts) == 2 else "".join(parts)

    @property
    def encoder_label(self) -> str:
        """Encoders, and the name of the cell if it was set, since nothing else shown may distinguish rows."""
        default = self.cell.model_copy(update={"name": ""}).id
        return self.cell.encoder_label + ("" if self.cell.id == default else f" [{self.cell.id}]")

    @property
    def label(self) -> str:
        """Encoder and fusion, and the modalities where multimodal rows fuse different ones, for figures."""
        return " · ".join([self.modality, *self._parts] if self.modality != self.cell.modality else self._parts)

    def wrapped_label(self, width: int) -> str:
        """Modality, encoder and fusion, broken into lines of at most `width` characters where possible."""
        lines = [self.modality]
        for part in self._parts:
            if len(lines[-1]) + 3 + len(part) <= width:
                lines[-1] += f" · {part}"
            else:
                lines.append(part)
        return "\n".join(lines)

    @property
    def _parts(self) -> list[str]:
        return [part for part in (self.encoder_label, self.fusion_label) if part]


@dataclass(frozen=True)
class Table:
    """Results of one experiment.

    Attributes:
        classes: Class labels, in order.
        rows: Rows by modality, in the experiment's order within one.
        chance: `uar`: 1 / number of tested classes; `accuracy`: share of the largest class of the test instances.
        human: Human accuracy by modality if it was measured on the same task.
        skipped_by_scan: Reason -> files and clips of the corpus that the scan left out, so that no run could use them.
    """

    name: str
    experiment: Experiment
    card: Card
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    chance: Mapping[str, float]
    human: Mapping[str, float]
    skipped_by_scan: Mapping[str, int]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that have a row, in the order of tables."""
        return tuple(m for m in MODALITY_ORDER if any(row.cell.modality == m for row in self.rows))


def build_table(
    name: str,
    experiment: Experiment,
    card: Card,
    metrics: pd.DataFrame,
    runs: Sequence[Run],
    protocol_folds: int | None = None,
    skipped_by_scan: Mapping[str, int] | None = None,
) -> Table:
    """Collect the results of one experiment.

    Args:
        name: Name of the experiment.
        experiment: Its configuration.
        card: Card of its corpus.
        metrics: Output of `score`.
        runs: Runs of the experiment.
        protocol_folds: Number of folds of the protocol; None if unknown.
        skipped_by_scan: Reason -> files and clips of the corpus that the scan left out.

    Raises:
        IntegrityError: The metrics lack cells of the experiment.
    """
    summary = metrics[(metrics["subset"] == "test") & (metrics["fold"] == POOLED) & (metrics["seed"] == POOLED)]
    known = set(summary.loc[summary["condition"] == "full", "cell"])
    missing = [cell.id for cell in experiment.cells if cell.id not in known]
    if missing:
        raise IntegrityError(
            f"results/metrics/{name}.parquet has no test scores of {', '.join(missing)}; it has "
            f"{', '.join(sorted(known)) or 'none'}: score the experiment again"
        )
    rows = [_row(experiment, cell, summary, runs, protocol_folds) for cell in experiment.cells]
    rows.sort(key=lambda row: MODALITY_ORDER.index(row.cell.modality))
    classes = classes_of(experiment, card.labels)
    return Table(
        name=name,
        experiment=experiment,
        card=card,
        classes=classes,
        rows=tuple(replace(row, best=_best_metrics(row, rows)) for row in rows),
        chance=_chance_scores(rows, classes),
        human=human_accuracy(experiment, card),
        skipped_by_scan=dict(skipped_by_scan or {}),
    )


def _row(
    experiment: Experiment, cell: Cell, summary: pd.DataFrame, runs: Sequence[Run], protocol_folds: int | None
) -> Row:
    by_condition = {str(name): part for name, part in summary[summary["cell"] == cell.id].groupby("condition")}
    full = by_condition.pop("full")
    own = [run for run in runs if run.cell == cell.id]
    first = full.iloc[0]
    return Row(
        cell=cell,
        modality=modality_label(experiment, cell),
        n_seeds=len({run.seed for run in own}),
        folds=tuple(sorted({run.fold for run in own})),
        n_test=int(first["n"]),
        n_clips=int(first["n_clips"]),
        n_speakers=int(first["n_speakers"]),
        skipped=_largest_counts([run.skipped for run in own]),
        excluded=_largest_counts([run.excluded for run in own]),
        values=_summaries(full),
        conditions={name: _summaries(part) for name, part in by_condition.items()},
        best=frozenset(),
        notes=row_notes(experiment, cell, own, protocol_folds, int(first["n_speakers"])),
        chosen=_chosen(own),
    )


def _summaries(part: pd.DataFrame) -> dict[str, Summary]:
    """Values by metric from the summary rows of one cell and condition."""
    columns = (part[column] for column in ("metric", "value", "sd", "ci_low", "ci_high"))
    return {str(metric): Summary(*map(float, values)) for metric, *values in zip(*columns, strict=True)}


def _chosen(runs: Sequence[Run]) -> dict[str, tuple[int, ...]]:
    """Options chosen from a grid -> folds."""
    found: dict[str, dict[int, None]] = {}
    for run in runs:
        if grid := run.facts.get("grid"):
            options = ", ".join(f"{name} {value}" for name, value in grid["chosen"].items())
            found.setdefault(f"{options} (of {grid['tried']}, by validation {grid['monitor']})", {})[run.fold] = None
    return {options: tuple(folds) for options, folds in found.items()}


def _largest_counts(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Largest number of clips in any run by reason: the same clips are missing from all runs of a cell."""
    found: Counter[str] = Counter()
    for count in counts:
        found |= Counter(count)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _best_metrics(row: Row, rows: Sequence[Row]) -> frozenset[str]:
    """Shown metrics in which no row of the same modality is better."""
    peers = [other for other in rows if other.cell.modality == row.cell.modality]
    best = set()
    for metric in SHOWN:
        sign = -1 if METRICS[metric].better == "low" else 1
        if sign * row.values[metric].mean == max(sign * peer.values[metric].mean for peer in peers):
            best.add(metric)
    return frozenset(best)


def _chance_scores(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, float]:
    """Scores of guessing; the largest where rows were tested on different clips."""
    supports = [np.array([row.values[f"support:{label}"].mean for label in classes]) for row in rows]
    return {
        "accuracy": max(float(support.max() / support.sum()) for support in supports),
        "uar": max(1.0 / int((support > 0).sum()) for support in supports),
    }
