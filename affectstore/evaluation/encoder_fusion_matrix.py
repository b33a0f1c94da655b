"""Encoder-fusion matrix: UAR of every encoder (lines) with every fusion (columns), the overview of a large table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affectstore.config.inputs import Modality
from affectstore.evaluation.footnotes import count_range
from affectstore.evaluation.row_notes import ENOUGH_SPEAKERS
from affectstore.evaluation.table import Row, Table
from affectstore.weights.random import BADGE
from affectstore.wording import counted

#: Metric of the matrix.
METRIC = "uar"
_FROM_RANDOM_WEIGHTS = "†"


@dataclass(frozen=True)
class Entry:
    """One number of the matrix.

    Attributes:
        row: Row of the table.
        best_of_line: True if its interval lies above those of all other entries in its line.
    """

    row: Row
    best_of_line: bool = False

    @property
    def text(self) -> str:
        """Number in percent, `72.2 ± 2.4`; no ± for a single seed."""
        value = self.row.values[METRIC]
        if math.isnan(value.mean):
            return "undefined"
        spread = "" if math.isnan(value.sd) else f" ± {100 * value.sd:.1f}"
        return f"{100 * value.mean:.1f}{spread}" + (f" {_FROM_RANDOM_WEIGHTS}" if self.from_random_weights else "")

    @property
    def from_random_weights(self) -> bool:
        """True if an input feature was computed with random weights, so that the number is meaningless."""
        return any(note.startswith(BADGE) for note in self.row.notes)


@dataclass(frozen=True)
class EncoderFusionMatrix:
    """Matrix of the rows that fuse the same modalities.

    Attributes:
        modalities: Fused modalities; the first columns are the unimodal rows of the same encoder.
        fusions: Other columns.
        lines: (encoder, entries by column); None for a pair that is not a cell of the experiment.
        footnotes: Sentences below the matrix.
    """

    modalities: tuple[str, ...]
    fusions: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Entry | None, ...]], ...]
    footnotes: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of the numbers."""
        return (*self.modalities, *self.fusions)


def encoder_fusion_matrices(table: Table) -> tuple[EncoderFusionMatrix, ...]:
    """Build one matrix for each set of modalities with at least two encoders that have at least two fusions each."""
    groups: dict[tuple[Modality, ...], list[Row]] = {}
    for row in table.rows:
        if row.cell.encoder is not None and len(row.cell.modalities) > 1:
            groups.setdefault(row.cell.modalities, []).append(row)
    found = []
    for modalities, rows in groups.items():
        fused: dict[str, dict[str, Row]] = {}
        for row in rows:
            name = _line_name(row)
            if row.fusion_label in fused.get(name, {}):
                name = row.encoder_label
            fused.setdefault(name, {})[row.fusion_label] = row
        if sum(len(by_fusion) > 1 for by_fusion in fused.values()) > 1:
            found.append(_matrix(table, modalities, rows, fused))
    return tuple(found)


def _line_name(row: Row) -> str:
    """Encoder of the row, with the cell's name if its settings differ from those of other cells in the line."""
    cell = row.cell
    settings = (cell.inputs, cell.encoder_options, cell.fusion_options, cell.init_from, cell.grid)
    own = any(settings) or cell.images.model_fields_set or cell.train.model_fields_set
    return row.encoder_label if own else cell.encoder_label


def _matrix(
    table: Table, modalities: tuple[Modality, ...], rows: Sequence[Row], fused: Mapping[str, Mapping[str, Row]]
) -> EncoderFusionMatrix:
    fusions = tuple(dict.fromkeys(row.fusion_label for row in rows))
    lines = []
    for encoder, by_fusion in fused.items():
        first = next(iter(by_fusion.values()))
        unimodal = [_unimodal_row(table, encoder, first, modality) for modality in modalities]
        lines.append((encoder, _mark_best([*unimodal, *(by_fusion.get(fusion) for fusion in fusions)])))
    entries = [entry for _, line in lines for entry in line if entry is not None]
    return EncoderFusionMatrix(modalities, fusions, tuple(lines), _footnotes(table, modalities, entries))


def _unimodal_row(table: Table, line: str, fused: Row, modality: Modality) -> Row | None:
    """Row of one modality with the encoder of a line and the same input feature, or None."""
    encoder = fused.cell.encoder
    wanted = encoder[modality] if isinstance(encoder, dict) else line
    for row in table.rows:
        if row.cell.modalities == (modality,) and row.cell.encoder is not None and _line_name(row) == wanted:
            same = row.cell.inputs.get(modality) == fused.cell.inputs.get(modality)
            return row if same else None
    return None


def _mark_best(line: Sequence[Row | None]) -> tuple[Entry | None, ...]:
    """Mark the entry of a line whose interval lies above all others, if all rest on enough speakers for an interval."""
    rows = [row for row in line if row is not None]
    reliable = all(row.n_speakers >= ENOUGH_SPEAKERS and not Entry(row).from_random_weights for row in rows)

    def is_best(row: Row) -> bool:
        others = [other.values[METRIC].ci_high for other in rows if other is not row]
        return reliable and bool(others) and all(row.values[METRIC].ci_low > high for high in others)

    return tuple(None if row is None else Entry(row, is_best(row)) for row in line)


def _footnotes(table: Table, modalities: tuple[str, ...], entries: Sequence[Entry]) -> tuple[str, ...]:
    rows = [entry.row for entry in entries]
    seeds, folds, clips, speakers = (
        counted(count_range(counts, " to "), noun)
        for counts, noun in (
            ([row.n_seeds for row in rows], "seed"),
            ([len(row.folds) for row in rows], "fold"),
            ([row.n_clips for row in rows], "test clip"),
            ([row.n_speakers for row in rows], "speaker"),
        )
    )
    spread = "" if max(row.n_seeds for row in rows) == 1 else ", mean ± standard deviation over seeds"
    names = " and ".join([", ".join(modalities[:-1]), modalities[-1]])
    chance = f"Chance: {100 * table.chance[METRIC]:.1f}."
    lines = [
        f"UAR in %{spread}: {seeds}, {folds}, {clips} of {speakers}. {chance} {_boldness(entries)}",
        f"{names}: that modality alone, with the same encoder. Empty: not asked for, or no valid pair.",
    ]
    baselines = [row for row in table.rows if row.cell.baseline and set(row.cell.modalities) <= set(modalities)]
    if baselines:
        texts = (f"{row.encoder_label} on {row.modality} {Entry(row).text}" for row in baselines)
        lines.append(f"What they have to be read beside: {', '.join(texts)}.")
    if any(entry.from_random_weights for entry in entries):
        lines.append(f"{_FROM_RANDOM_WEIGHTS}: a feature was computed with random weights, the number means nothing.")
    return tuple(lines)


def _boldness(entries: Sequence[Entry]) -> str:
    if any(entry.best_of_line for entry in entries):
        return "Bold: its 95 % interval lies above those of all others in its line."
    fewest = min(entry.row.n_speakers for entry in entries)
    if fewest < ENOUGH_SPEAKERS:
        return f"Nothing is bold: too few speakers ({fewest}) to tell the numbers of a line apart."
    return "Nothing is bold: no 95 % interval lies above those of all others in its line."
