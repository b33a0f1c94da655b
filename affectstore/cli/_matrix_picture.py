"""The matrix of encoders and fusions as a picture."""

from __future__ import annotations

from pathlib import Path

from affectstore.models.cells.matrix import Matrix


def draw(matrix: Matrix, path: Path) -> None:
    """Write a grid of squares: filled where the pair can be trained.

    Args:
        matrix: what to draw.
        path: the file; its suffix says which kind.
    """
    from matplotlib.figure import Figure

    rows, columns = len(matrix.fusions), len(matrix.encoders)
    figure = Figure(figsize=(2.2 + 0.32 * columns, 1.6 + 0.28 * rows), layout="constrained")
    axes = figure.add_subplot()
    valid = [[(encoder, fusion) not in matrix.problems for encoder in matrix.encoders] for fusion in matrix.fusions]
    axes.pcolormesh(valid, cmap="Blues", vmin=-0.15, vmax=1.4, edgecolors="white", linewidth=1.5)
    axes.set_xticks([column + 0.5 for column in range(columns)], matrix.encoders, rotation=60, ha="right")
    axes.set_yticks([row + 0.5 for row in range(rows)], matrix.fusions)
    axes.invert_yaxis()
    axes.set_title(f"{matrix.num_valid} of {matrix.num_pairs} pairs can be trained", fontsize=10)
    axes.tick_params(length=0, labelsize=8)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, dpi=150)
