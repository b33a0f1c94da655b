"""A table of results: what it says, before any file format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from affectstore.config.experiment import Cell, Experiment
from affectstore.corpora.base import Card
from affectstore.errors import IntegrityError
from affectstore.evaluation.classes import classes_of, human_accuracy, modality_label
from affectstore.evaluation.flags import flags_of
from affectstore.evaluation.runs import Run
from affectstore.evaluation.score import POOLED

#: Metrics of the wide table, in the order of its columns.
SHOWN = ("accuracy", "uar", "macro_f1", "loss")
MODALITY_ORDER = ("audio", "vision", "text", "multimodal")


@dataclass(frozen=True)
class Summary:
    """One metric of one row: mean and deviation over seeds of the score pooled over folds, and its 95 % interval.

    `sd` is NaN with a single seed.
    """

    mean: float
    sd: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Row:
    """One cell.

    Attributes:
        modality: the word for what it reads: audio, multimodal, audio+text.
        n_test: predictions pooled per seed.
        n_clips, n_speakers: how many different clips and speakers those are of.
        skipped: reason -> clips that the runs could not use.
        excluded: reason -> clips that the split, the label target or the selection leaves out.
        values: every number of the cell by metric (`recall:ANG` for a class).
        best: metrics in which no other row of the modality is better.
        chosen: of a cell with a grid: the options that were chosen -> the folds that chose them.
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
    best: frozenset[str]
    flags: tuple[str, ...]
    chosen: Mapping[str, tuple[int, ...]]

    @property
    def fusion_label(self) -> str:
        """Fusion and how weights are shared, for people; empty for one modality."""
        parts = [part for part in (self.cell.fusion, self.cell.sharing) if part]
        return f"{parts[0]} ({parts[1]})" if len(parts) == 2 else "".join(parts)

    def heading(self, width: int) -> str:
        """Modality and label in lines of at most `width` characters where they can be broken, for small figures."""
        lines = [self.modality]
        for part in self._parts:
            if len(lines[-1]) + 3 + len(part) <= width:
                lines[-1] += f" · {part}"
            else:
                lines.append(part)
        return "\n".join(lines)

    @property
    def encoder_label(self) -> str:
        """Encoder or encoders, and the cell's name where it was given one: rows may differ in nothing else shown."""
        made_up = self.cell.model_copy(update={"name": ""}).id
        return self.cell.encoder_label + ("" if self.cell.id == made_up else f" [{self.cell.id}]")

    @property
    def label(self) -> str:
        """Encoder and fusion, and the modalities where rows of several join different ones, for figures."""
        return " · ".join([self.modality, *self._parts] if self.modality != self.cell.modality else self._parts)

    @property
    def _parts(self) -> list[str]:
        return [part for part in (self.encoder_label, self.fusion_label) if part]


@dataclass(frozen=True)
class Table:
    """One experiment's results.

    Attributes:
        classes: labels, in order.
        rows: by modality, in the experiment's order within one.
        chance: `uar`: one over the classes that were tested; `accuracy`: the largest class' share of the test
            instances.
        human: human accuracy by modality, where it was measured on the same task.
        unreadable: reason -> files of the corpus that the scan left out, so that no run could see them.
    """

    name: str
    experiment: Experiment
    card: Card
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    chance: Mapping[str, float]
    human: Mapping[str, float]
    unreadable: Mapping[str, int]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that have a row, in the tables' order."""
        return tuple(m for m in MODALITY_ORDER if any(row.cell.modality == m for row in self.rows))


def build_table(
    name: str,
    experiment: Experiment,
    card: Card,
    metrics: pd.DataFrame,
    runs: Sequence[Run],
    protocol_folds: int | None = None,
    unreadable: Mapping[str, int] | None = None,
) -> Table:
    """Gather one experiment's results.

    Args:
        name: of the experiment.
        experiment: what was asked for.
        card: of its corpus.
        metrics: as `score` gave them.
        runs: of the experiment, for what the rows were.
        protocol_folds: how many folds the protocol has; none where that is not known.
        unreadable: reason -> files of the corpus that the scan left out.

    Raises:
        IntegrityError: the metrics are of other cells than the experiment's.
    """
    own = metrics[(metrics["subset"] == "test") & (metrics["condition"] == "full") & (metrics["fold"] == POOLED)]
    summary = own[own["seed"] == POOLED]
    known = set(summary["cell"])
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
        rows=tuple(_with_best(row, rows) for row in rows),
        chance=_chance(rows, classes),
        human=human_accuracy(experiment, card),
        unreadable=dict(unreadable or {}),
    )


def _row(
    experiment: Experiment, cell: Cell, summary: pd.DataFrame, runs: Sequence[Run], protocol_folds: int | None
) -> Row:
    part = summary[summary["cell"] == cell.id]
    own = [run for run in runs if run.cell == cell.id]
    first = part.iloc[0]
    values = {
        str(metric): Summary(float(mean), float(sd), float(low), float(high))
        for metric, mean, sd, low, high in zip(
            part["metric"], part["value"], part["sd"], part["ci_low"], part["ci_high"], strict=True
        )
    }
    return Row(
        cell=cell,
        modality=modality_label(experiment, cell),
        n_seeds=len({run.seed for run in own}),
        folds=tuple(sorted({run.fold for run in own})),
        n_test=int(first["n"]),
        n_clips=int(first["n_clips"]),
        n_speakers=int(first["n_speakers"]),
        skipped=largest([run.skipped for run in own]),
        excluded=largest([run.excluded for run in own]),
        values=values,
        best=frozenset(),
        flags=flags_of(experiment, cell, own, protocol_folds, int(first["n_speakers"])),
        chosen=_chosen(own),
    )


def _chosen(runs: Sequence[Run]) -> dict[str, tuple[int, ...]]:
    found: dict[str, dict[int, None]] = {}
    for run in runs:
        if grid := run.facts.get("grid"):
            options = ", ".join(f"{name} {value}" for name, value in grid["chosen"].items())
            found.setdefault(f"{options} (of {grid['tried']}, by validation {grid['monitor']})", {})[run.fold] = None
    return {options: tuple(folds) for options, folds in found.items()}


def largest(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Reason -> clips, over the runs of a cell: the same clips are missing from every run, so the largest count."""
    found: Counter[str] = Counter()
    for count in counts:
        found |= Counter(count)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _with_best(row: Row, rows: Sequence[Row]) -> Row:
    peers = [other for other in rows if other.cell.modality == row.cell.modality]
    best = set()
    for metric in SHOWN:
        sign = -1 if metric == "loss" else 1
        if sign * row.values[metric].mean == max(sign * peer.values[metric].mean for peer in peers):
            best.add(metric)
    return Row(**{**row.__dict__, "best": frozenset(best)})


def _chance(rows: Sequence[Row], classes: Sequence[str]) -> dict[str, float]:
    """What guessing gives: the same for every row, unless rows were tested on different clips (then the largest)."""
    supports = [np.array([row.values[f"support:{label}"].mean for label in classes]) for row in rows]
    return {
        "accuracy": max(float(support.max() / support.sum()) for support in supports),
        "uar": max(1.0 / int((support > 0).sum()) for support in supports),
    }
