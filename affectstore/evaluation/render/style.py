"""Style of figures: one palette, colour-blind safe (Okabe & Ito 2008), and files that depend on content alone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from affectstore.files import write_if_changed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Modality -> colour.
MODALITY_COLOURS = {"audio": "#0072b2", "vision": "#e69f00", "text": "#cc79a7", "multimodal": "#009e73"}
#: Subset -> colour of learning curves.
SUBSET_COLOURS = {"train": "#56b4e9", "val": "#d55e00"}
#: Colours of text and lines; the report replaces these, and no others, by those of its theme.
INK, QUIET, GRID, PAPER = "#1d2127", "#6a727c", "#d9dde2", "#ffffff"

_MARGIN_IN = 0.08

_SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "affectstore",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 100,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply this style inside the context, independent of the user's matplotlib settings."""
    import matplotlib
    from matplotlib import rc_context, rcParamsDefault

    matplotlib.use("Agg")
    defaults = {key: value for key, value in rcParamsDefault.items() if not key.startswith(("backend", "webagg"))}
    with rc_context(defaults):
        matplotlib.rcParams.update(cast("Any", _SETTINGS))
        yield


def save_figure(figure: Figure, paths: Iterable[Path]) -> None:
    """Write a figure as .svg, .png; equal figures are written as equal bytes.

    Args:
        figure: The figure.
        paths: Files; the suffix is the format.
    """
    # Laid out once instead of once per file: with one panel per row, layout takes longer than rendering.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    bounds = figure.get_tightbbox().padded(_MARGIN_IN)
    for path in paths:
        metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
        content = io.BytesIO()
        figure.savefig(
            content, format=path.suffix[1:], dpi=160, metadata=metadata, facecolor="white", bbox_inches=bounds
        )
        write_if_changed(path, content.getvalue())
