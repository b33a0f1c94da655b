"""Report of all results on one page that needs nothing but a browser: results/report.html."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from affectstore.evaluation.cost import Cost, cost_of
from affectstore.evaluation.encoder_fusion_matrix import EncoderFusionMatrix, encoder_fusion_matrices
from affectstore.evaluation.footnotes import count_range, footnotes
from affectstore.evaluation.metrics import METRICS
from affectstore.evaluation.overview import CorpusOverview
from affectstore.evaluation.render.style import GRID, INK, MODALITY_COLOURS, PAPER, QUIET
from affectstore.evaluation.render.wide_table import WideTable, condition_table
from affectstore.evaluation.row_notes import device_kinds, meaning_of
from affectstore.evaluation.runs import Run
from affectstore.evaluation.table import SHOWN, Row, Table
from affectstore.wording import size_text

_CAPTIONS = {
    "bars": "Scores on the test clips, with 95 % intervals.",
    "confusion": "Confusion matrices: rows are true classes, columns predicted ones.",
    "curves": "Learning curves: thin lines are seeds and folds, thick ones their mean; circles mark the epoch chosen.",
}
_THEME = {INK: "var(--ink)", QUIET: "var(--quiet)", GRID: "var(--grid)", PAPER: "var(--paper)"}


@dataclass(frozen=True)
class Section:
    """One experiment of the report.

    Attributes:
        table: Its results.
        runs: Its runs.
        figures: Kind ("bars", "confusion", "curves") -> SVG document.
    """

    table: Table
    runs: tuple[Run, ...]
    figures: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.table.name

    @property
    def inline_figures(self) -> list[tuple[str, str, str]]:
        """Kind, caption and HTML element of each figure."""
        return [
            (kind, _CAPTIONS[kind], inline_svg(self.figures[kind], f"{self.name}-{kind}", _CAPTIONS[kind]))
            for kind in _CAPTIONS
            if kind in self.figures
        ]

    @property
    def footnotes(self) -> tuple[str, ...]:
        """Footnotes of the table."""
        return footnotes(self.table)

    @property
    def matrices(self) -> tuple[EncoderFusionMatrix, ...]:
        """Encoder-fusion matrices of the table."""
        return encoder_fusion_matrices(self.table)

    @property
    def best(self) -> list[Row]:
        """Row of each modality with the highest UAR."""
        return [
            max((r for r in self.table.rows if r.cell.modality == modality), key=lambda r: r.values["uar"].mean)
            for modality in self.table.modalities
        ]

    def span(self, count: str) -> str:
        """Range of a count (`n_clips`, ...) over the rows."""
        return count_range([int(getattr(row, count)) for row in self.table.rows], "–")

    @property
    def costs(self) -> list[tuple[Row, Cost]]:
        """Cost of each row."""
        return [(row, cost_of([run for run in self.runs if run.cell == row.cell.id])) for row in self.table.rows]

    @property
    def conditions(self) -> WideTable | None:
        """Scores under other test conditions than the full input."""
        return condition_table(self.table)

    @property
    def provenance(self) -> list[tuple[str, str]]:
        """Versions and digests of the runs: (name, distinct values)."""
        found: dict[str, dict[str, None]] = {}
        for run in self.runs:
            for key in ("versions", "digests"):
                for name, value in sorted((run.facts.get(key) or {}).items()):
                    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
                    found.setdefault(f"{key[:-1]} of {name}", {})[text] = None
        return [
            (name, ", ".join(_abbreviate(v) for v in values)) for name, values in sorted(found.items(), reverse=True)
        ]


def render_report(
    sections: Sequence[Section], corpora: Sequence[CorpusOverview], absent: Mapping[str, str], config_digest: str
) -> str:
    """Render the page.

    Args:
        sections: Experiments with results, in order.
        corpora: Their corpora.
        absent: Experiment of the configuration without results -> reason.
        config_digest: Digest of the resolved configuration.

    Returns:
        HTML without references to other files or hosts.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": format_number,
        "percent": format_percent,
        "above": percent_above_chance,
        "size": size_text,
        "duration": format_duration,
        "numeric": lambda names: [(name, "n") for name in names],
        "plain": lambda names: [(name, "") for name in names],
        "safe_svg": Markup,  # our own figures
    }
    template = resources.files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    notes = sorted({note for section in sections for row in section.table.rows for note in row.notes})
    devices = device_kinds([run for section in sections for run in section.runs])
    context: dict[str, Any] = {
        "sections": sections,
        "corpora": corpora,
        "absent": absent,
        "config_digest": config_digest,
        "metrics": [METRICS[name] for name in SHOWN],
        "colours": MODALITY_COLOURS,
        "meanings": _meanings(notes, devices),
        "isnan": math.isnan,
    }
    return environment.from_string(template).render(context)


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """Convert an SVG document to an element of an HTML page, in the colours of the page's theme.

    Args:
        svg: Document that `save_figure` wrote.
        prefix: Prefix of every id, so that several figures can share one page.
        label: Description for screen readers.
    """
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}-", body)
    for colour, variable in _THEME.items():
        body = body.replace(colour, variable)
    head, _, rest = body.partition(">")
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    width = re.search(r'viewBox="0 0 ([\d.]+)', head)
    # Limited to its own width: the letters of small figures would become huge.
    style = f"width:100%;max-width:{1.25 * float(width[1]):.0f}px;height:auto" if width else "width:100%"
    safe = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'{head} role="img" aria-label="{safe}" style="{style}">{rest}'.strip()


def _meanings(notes: Sequence[str], devices: Sequence[str]) -> list[tuple[str, str]]:
    """Group row notes by explanation: (notes, explanation)."""
    grouped: dict[str, list[str]] = {}
    for note in notes:
        grouped.setdefault(meaning_of(note, devices), []).append(note)
    return [(", ".join(names), meaning) for meaning, names in grouped.items()]


def _abbreviate(text: str) -> str:
    """First digits of a digest; other values in full."""
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:12] if is_digest else text


def format_number(value: float | None, digits: int = 0) -> str:
    """Format a number as `11,173,318`; a dash for None and NaN."""
    return "–" if value is None or math.isnan(value) else f"{value:,.{digits}f}"


def format_percent(value: float, digits: int = 1) -> str:
    """Format 0.413 as `41.3`; a dash for NaN."""
    return format_number(100 * value, digits)


def percent_above_chance(value: float, chance: float) -> int:
    """Position of a score between chance (0) and perfect (100): the colour of a cell."""
    return 0 if math.isnan(value) or chance >= 1 else max(0, round(100 * (value - chance) / (1 - chance)))


def format_duration(seconds: float) -> str:
    """Format seconds as seconds, minutes or hours, by magnitude."""
    if math.isnan(seconds):
        return "–"
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
