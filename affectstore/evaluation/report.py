"""results/report.html: one page with everything, that needs nothing but a browser."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pandas as pd

from affectstore.evaluation.base import Metric
from affectstore.evaluation.conditions import conditions
from affectstore.evaluation.cost import Cost, cost_of
from affectstore.evaluation.flags import devices_of, meaning_of
from affectstore.evaluation.inline_svg import inline_svg
from affectstore.evaluation.notes import notes
from affectstore.evaluation.overview import CorpusOverview
from affectstore.evaluation.pairings import Pairings, pairings
from affectstore.evaluation.runs import Run
from affectstore.evaluation.style import MODALITY_COLOURS
from affectstore.evaluation.table import SHOWN, Row, Table
from affectstore.evaluation.wide import Wide
from affectstore.wording import size_text

_CAPTIONS = {
    "bars": "Scores on the test clips, with 95 % intervals.",
    "confusion": "Confusion matrices: rows are true classes, columns predicted ones.",
    "curves": "Learning curves: thin lines are seeds and folds, thick ones their mean; circles mark the epoch chosen.",
}


@dataclass(frozen=True)
class Section:
    """One experiment of the report.

    Attributes:
        table: its results.
        runs: its runs.
        metrics: as `score` gave them.
        figures: kind ("bars", "confusion", "curves") -> SVG document.
    """

    table: Table
    runs: tuple[Run, ...]
    metrics: pd.DataFrame
    figures: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.table.name

    @property
    def drawings(self) -> list[tuple[str, str, str]]:
        """(kind, caption, element) of each figure."""
        return [
            (kind, _CAPTIONS[kind], inline_svg(self.figures[kind], f"{self.name}-{kind}", _CAPTIONS[kind]))
            for kind in _CAPTIONS
            if kind in self.figures
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands under the table."""
        return notes(self.table)

    @property
    def pairings(self) -> tuple[Pairings, ...]:
        """Encoders against fusions, where several meet several."""
        return pairings(self.table)

    @property
    def best(self) -> list[Row]:
        """The row of each modality with the highest UAR."""
        return [
            max((r for r in self.table.rows if r.cell.modality == modality), key=lambda r: r.values["uar"].mean)
            for modality in self.table.modalities
        ]

    def span(self, number_of: str) -> str:
        """A count of the rows (`n_clips`, ...): one number where they agree, else the least and the most."""
        counts = [int(getattr(row, number_of)) for row in self.table.rows]
        least, most = min(counts), max(counts)
        return f"{least:,}" if least == most else f"{least:,}–{most:,}"

    @property
    def costs(self) -> list[tuple[Row, Cost]]:
        """What each row cost."""
        return [(row, cost_of([run for run in self.runs if run.cell == row.cell.id])) for row in self.table.rows]

    @property
    def other_conditions(self) -> Wide | None:
        """Scores with a part of the input taken away."""
        return conditions(self.table, self.metrics)

    @property
    def provenance(self) -> list[tuple[str, str]]:
        """(what, value) of the runs: each different value once."""
        found: dict[str, dict[str, None]] = {}
        for run in self.runs:
            for key in ("versions", "digests"):
                for name, value in sorted((run.facts.get(key) or {}).items()):
                    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
                    found.setdefault(f"{key[:-1]} of {name}", {})[text] = None
        return [(what, ", ".join(_short(v) for v in values)) for what, values in sorted(found.items(), reverse=True)]


def render_report(
    sections: Sequence[Section], corpora: Sequence[CorpusOverview], absent: Mapping[str, str], config_digest: str
) -> str:
    """The page.

    Args:
        sections: experiments that have results, in order.
        corpora: their corpora.
        absent: experiments of the configuration that have no results to show -> why.
        config_digest: of the resolved configuration.

    Returns:
        HTML that refers to nothing outside itself.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": number,
        "percent": percent,
        "above": above,
        "size": size_text,
        "duration": duration,
        "numeric": lambda names: [(name, "n") for name in names],
        "plain": lambda names: [(name, "") for name in names],
        "safe_svg": Markup,  # our own figures
    }
    template = resources.files("affectstore.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    flags = sorted({flag for section in sections for row in section.table.rows for flag in row.flags})
    devices = devices_of([run for section in sections for run in section.runs])
    context: dict[str, Any] = {
        "sections": sections,
        "corpora": corpora,
        "absent": absent,
        "config_digest": config_digest,
        "metrics": [Metric.load(name) for name in SHOWN],
        "colours": MODALITY_COLOURS,
        "meanings": _meanings(flags, devices),
        "isnan": math.isnan,
    }
    return environment.from_string(template).render(context)


def _meanings(flags: Sequence[str], devices: Sequence[str]) -> list[tuple[str, str]]:
    """(flags, meaning): flags of one meaning together."""
    grouped: dict[str, list[str]] = {}
    for flag in flags:
        grouped.setdefault(meaning_of(flag, devices), []).append(flag)
    return [(", ".join(names), meaning) for meaning, names in grouped.items()]


def _short(text: str) -> str:
    """A digest by its first digits, other values whole."""
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:12] if is_digest else text


def number(value: float | None, digits: int = 0) -> str:
    """`11,173,318`, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def percent(value: float, digits: int = 1) -> str:
    """`41.3` of 0.413, or a dash where there is none."""
    return number(100 * value, digits)


def above(value: float, chance: float) -> int:
    """How far a score lies between chance and perfect, in percent: what colours a cell."""
    return 0 if math.isnan(value) or chance >= 1 else max(0, round(100 * (value - chance) / (1 - chance)))


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if math.isnan(seconds):
        return "–"
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
