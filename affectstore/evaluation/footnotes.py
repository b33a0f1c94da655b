"""Footnotes of a table: task, test and skipped clips, meaning of the numbers, chance, and the files behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from affectstore.evaluation.bootstrap import RESAMPLES
from affectstore.evaluation.row_notes import ENOUGH_SPEAKERS
from affectstore.evaluation.table import Row, Table
from affectstore.weights.random import BADGE
from affectstore.wording import counted

#: Number of reasons listed by name, most frequent first; the others are counted together.
REASONS_SHOWN = 8


def footnotes(table: Table) -> tuple[str, ...]:
    """List the footnotes of a table, one sentence or a few each."""
    return (
        *_random_weights(table),
        _task(table),
        *_grid_choices(table),
        *_tested(table),
        *_skipped(table),
        _scores(table),
        _chance(table),
        _sources(table),
    )


def count_range(counts: Sequence[int], to: str) -> str:
    """One number if all counts agree, else the smallest and the largest joined by `to`."""
    smallest, largest = min(counts), max(counts)
    return f"{smallest:,}" if smallest == largest else f"{smallest:,}{to}{largest:,}"


def _random_weights(table: Table) -> list[str]:
    """Warnings about rows whose input features were computed with random weights."""
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        for note in row.notes:
            if note.startswith(BADGE):
                groups.setdefault(note, []).append(row)
    return [f"Not a result, {note}: the numbers of {_cells(rows)} mean nothing." for note, rows in groups.items()]


def _task(table: Table) -> str:
    experiment = table.experiment
    parts = [
        f"Corpus {experiment.corpus}",
        f"label target {experiment.label_target}",
        f"protocol {experiment.protocol}",
        f"classes {' '.join(table.classes)}",
    ]
    parts += [f"{column} only {', '.join(values)}" for column, values in experiment.select.items()]
    parts += [f"{merged} counted as {into}" for merged, into in experiment.merge.items()]
    return "; ".join(parts) + "."


def _grid_choices(table: Table) -> list[str]:
    """Options that each fold chose from the grid of a cell."""
    return [
        f"Chosen for {row.cell.id}: "
        + "; ".join(
            options + (f" in fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}" if len(row.folds) > 1 else "")
            for options, folds in row.chosen.items()
        )
        + "."
        for row in table.rows
        if row.chosen
    ]


def _tested(table: Table) -> list[str]:
    """Test clips, speakers, folds and seeds: once if all rows agree, else per group of rows."""
    groups: dict[tuple[int, int, int, int, tuple[int, ...]], list[Row]] = {}
    for row in table.rows:
        key = (row.n_test, row.n_clips, row.n_speakers, row.n_seeds, row.folds)
        groups.setdefault(key, []).append(row)
    lines = []
    for (n_test, n_clips, n_speakers, n_seeds, folds), rows in groups.items():
        why = (
            "each modality by itself"
            if rows[0].cell.sharing == "modality_agnostic"
            else "clips are in several folds' tests"
        )
        repeated = "" if n_test == n_clips else f" ({n_test} predictions per seed: {why})"
        line = (
            f"Tested: {counted(n_clips, 'clip')} of {counted(n_speakers, 'speaker')}{repeated}, "
            f"{counted(len(folds), 'fold')} ({', '.join(map(str, folds))}), {counted(n_seeds, 'seed')} per fold"
        )
        lines.append(line + ("." if len(groups) == 1 else f": {_cells(rows)}."))
    if len({key[1:] for key in groups}) > 1:
        lines.append("Rows above were not all tested on the same clips: compare them with care.")
    elif any(row.cell.sharing == "modality_agnostic" for row in table.rows):
        lines.append(
            "A modality-agnostic row is over predictions of one modality each: compare its conditions without the "
            "others with networks of that modality alone."
        )
    return lines


def _skipped(table: Table) -> list[str]:
    """Numbers of skipped clips and files with reasons, also where they are 0, and of clips that were not asked for."""
    lines = [_by_cells(table, "Skipped", [row.skipped for row in table.rows])]
    total = sum(table.skipped_by_scan.values())
    lines.append(f"Skipped when the corpus was scanned: {counted(total, 'file')}{_reasons(table.skipped_by_scan)}.")
    if any(row.excluded for row in table.rows):
        lines.append(_by_cells(table, "Not asked for", [row.excluded for row in table.rows]))
    return lines


def _by_cells(table: Table, what: str, clips: Sequence[Mapping[str, int]]) -> str:
    """One count of clips with its reasons, or one per group of rows where they differ."""
    groups: dict[tuple[tuple[str, int], ...], list[Row]] = {}
    for row, reasons in zip(table.rows, clips, strict=True):
        groups.setdefault(tuple(reasons.items()), []).append(row)
    parts = [
        f"{counted(sum(dict(reasons).values()), 'clip')}{_reasons(dict(reasons))}"
        + ("" if len(groups) == 1 else f" in {_cells(rows)}")
        for reasons, rows in groups.items()
    ]
    return f"{what}: {'; '.join(parts)}."


def _reasons(counts: Mapping[str, int]) -> str:
    parts = [f"{reason}: {count}" for reason, count in list(counts.items())[:REASONS_SHOWN]]
    rest = sum(list(counts.values())[REASONS_SHOWN:])
    parts += [f"other reasons: {rest}"] if rest else []
    return f" ({'; '.join(parts)})" if parts else ""


def _scores(table: Table) -> str:
    seeds = max(row.n_seeds for row in table.rows)
    fewest = min(row.n_speakers for row in table.rows)
    spread = "mean ± standard deviation over seeds of" if seeds > 1 else "for one seed (so without a deviation)"
    narrow = f" With {counted(fewest, 'speaker')} it is too narrow." if fewest < ENOUGH_SPEAKERS else ""
    return (
        f"WAR (accuracy), UAR (mean recall of the classes that were tested) and macro F1 in %, loss in nats: {spread} "
        "the score of a seed with the test predictions of all its folds pooled. In brackets its 95 % confidence "
        f"interval: percentiles of {RESAMPLES:,} bootstrap draws of speakers and seeds, with replacement.{narrow} "
        "Bold: best of its modality."
    )


def _chance(table: Table) -> str:
    line = (
        f"Chance: UAR 1/{round(1 / table.chance['uar'])}; WAR by always naming the largest class of the test clips, "
        f"{100 * table.chance['accuracy']:.1f} %."
    )
    if table.human:
        people = ", ".join(f"{modality} {100 * value:.1f} %" for modality, value in table.human.items())
        line += f" Human accuracy against the intended label, on the whole corpus: {people}."
    return line


def _sources(table: Table) -> str:
    return (
        f"Every number: results/metrics/{table.name}.parquet, scored from "
        f"results/runs/{table.name}/{{cell}}/{{fold}}/{{seed}}/predictions.parquet; cells in the order of the rows: "
        f"{_cells(table.rows)}."
    )


def _cells(rows: Sequence[Row]) -> str:
    return ", ".join(row.cell.id for row in rows)
