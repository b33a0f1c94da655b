"""Encoders down, fusions across: where several encoders meet several fusions, the table that is read first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from affectstore.config.inputs import Modality
from affectstore.evaluation.flags import ENOUGH_SPEAKERS
from affectstore.evaluation.table import Row, Table
from affectstore.evaluation.wide import Line, Wide
from affectstore.weights.random import BADGE
from affectstore.wording import counted

#: What a pairing is compared by.
METRIC = "uar"
_MEANINGLESS = "†"


@dataclass(frozen=True)
class Pairing:
    """One number of the matrix.

    Attributes:
        row: of the table.
        leads: whether its interval lies above those of all others in its line.
    """

    row: Row
    leads: bool = False

    @property
    def text(self) -> str:
        """`72.2 ± 2.4`, in percent; no deviation for a single seed."""
        value = self.row.values[METRIC]
        if math.isnan(value.mean):
            return "undefined"
        spread = "" if math.isnan(value.sd) else f" ± {100 * value.sd:.1f}"
        return f"{100 * value.mean:.1f}{spread}" + (f" {_MEANINGLESS}" if self.meaningless else "")

    @property
    def meaningless(self) -> bool:
        """Whether it was computed from features of random weights."""
        return any(flag.startswith(BADGE) for flag in self.row.flags)


@dataclass(frozen=True)
class Pairings:
    """The matrix of the rows that join the same modalities.

    Attributes:
        modality: the table's word for what they join.
        modalities: what they join; the first columns are each of them alone, with the same encoder.
        fusions: the other columns.
        lines: encoder -> its numbers by column, none where the experiment does not ask for one.
        notes: plain sentences that belong under the matrix.
    """

    modality: str
    modalities: tuple[str, ...]
    fusions: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Pairing | None, ...]], ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of the numbers."""
        return (*self.modalities, *self.fusions)

    @property
    def wide(self) -> Wide:
        """As cells of text."""
        lines = tuple(
            Line(
                (encoder, *("" if found is None else found.text for found in numbers)),
                (False, *(found is not None and found.leads for found in numbers)),
            )
            for encoder, numbers in self.lines
        )
        return Wide(("Encoder", *self.columns), lines, frozenset({0}))


def pairings(table: Table) -> tuple[Pairings, ...]:
    """One matrix for each set of modalities under which at least two encoders have at least two fusions each."""
    groups: dict[tuple[Modality, ...], list[Row]] = {}
    for row in table.rows:
        if row.cell.encoder is not None and len(row.cell.modalities) > 1:
            groups.setdefault(row.cell.modalities, []).append(row)
    found = []
    for modalities, rows in groups.items():
        fused: dict[str, dict[str, Row]] = {}
        for row in rows:
            name = _line_of(row)
            if row.fusion_label in fused.get(name, {}):
                name = row.encoder_label
            fused.setdefault(name, {})[row.fusion_label] = row
        if sum(len(by_fusion) > 1 for by_fusion in fused.values()) > 1:
            found.append(_matrix(table, modalities, rows, fused))
    return tuple(found)


def _line_of(row: Row) -> str:
    """The encoder; with the cell's name where it has settings of its own, which the others in its line have not."""
    cell = row.cell
    settings = (cell.inputs, cell.encoder_options, cell.fusion_options, cell.init_from, cell.grid)
    own = any(settings) or cell.images.model_fields_set or cell.train.model_fields_set
    return row.encoder_label if own else cell.encoder_label


def _matrix(
    table: Table, modalities: tuple[Modality, ...], rows: Sequence[Row], fused: Mapping[str, Mapping[str, Row]]
) -> Pairings:
    fusions = tuple(dict.fromkeys(row.fusion_label for row in rows))
    lines = []
    for encoder, by_fusion in fused.items():
        first = next(iter(by_fusion.values()))
        alone = [_alone(table, encoder, first, modality) for modality in modalities]
        lines.append((encoder, _marked([*alone, *(by_fusion.get(fusion) for fusion in fusions)])))
    return Pairings(
        modality=rows[0].modality,
        modalities=modalities,
        fusions=fusions,
        lines=tuple(lines),
        notes=_notes(table, modalities, [found for _, numbers in lines for found in numbers if found is not None]),
    )


def _alone(table: Table, line: str, fused: Row, modality: Modality) -> Row | None:
    """The row of one modality with the encoder that it has in a line, reading the same feature."""
    encoder = fused.cell.encoder
    wanted = encoder[modality] if isinstance(encoder, dict) else line
    for row in table.rows:
        if row.cell.modalities == (modality,) and row.cell.encoder is not None and _line_of(row) == wanted:
            same = row.cell.inputs.get(modality) == fused.cell.inputs.get(modality)
            return row if same else None
    return None


def _marked(rows: Sequence[Row | None]) -> tuple[Pairing | None, ...]:
    """Which of a line leads: no other interval reaches its own, and both rest on speakers enough for an interval."""
    there = [row for row in rows if row is not None]
    trusted = all(row.n_speakers >= ENOUGH_SPEAKERS and not Pairing(row).meaningless for row in there)

    def leads(row: Row) -> bool:
        others = [other.values[METRIC].ci_high for other in there if other is not row]
        return trusted and bool(others) and all(row.values[METRIC].ci_low > high for high in others)

    return tuple(None if row is None else Pairing(row, leads(row)) for row in rows)


def _notes(table: Table, modalities: tuple[str, ...], numbers: Sequence[Pairing]) -> tuple[str, ...]:
    rows = [number.row for number in numbers]
    seeds, clips, speakers, folds = (
        _span(counts)
        for counts in (
            [row.n_seeds for row in rows],
            [row.n_clips for row in rows],
            [row.n_speakers for row in rows],
            [len(row.folds) for row in rows],
        )
    )
    spread = "" if max(row.n_seeds for row in rows) == 1 else ", mean ± standard deviation over seeds"
    extent = f"{counted(seeds, 'seed')}, {counted(folds, 'fold')}, {counted(clips, 'test clip')} of "
    extent += counted(speakers, "speaker")
    lines = [
        f"UAR in %{spread}: {extent}. Chance: {100 * table.chance[METRIC]:.1f}. {_boldness(numbers)}",
        f"{_listed(modalities)}: that modality alone, with the same encoder. Empty: not asked for, or no valid pair.",
    ]
    beside = [row for row in table.rows if row.cell.baseline and set(row.cell.modalities) <= set(modalities)]
    if beside:
        texts = (f"{row.encoder_label} on {row.modality} {Pairing(row).text}" for row in beside)
        lines.append(f"What they have to be read beside: {', '.join(texts)}.")
    if any(number.meaningless for number in numbers):
        lines.append(f"{_MEANINGLESS}: a feature was computed with random weights, the number means nothing.")
    return tuple(lines)


def _boldness(numbers: Sequence[Pairing]) -> str:
    if any(number.leads for number in numbers):
        return "Bold: its 95 % interval lies above those of all others in its line."
    fewest = min(number.row.n_speakers for number in numbers)
    if fewest < ENOUGH_SPEAKERS:
        return f"Nothing is bold: too few speakers ({fewest}) to tell the numbers of a line apart."
    return "Nothing is bold: no 95 % interval lies above those of all others in its line."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _span(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
