"""Matrix of encoders and fusions: the pairs that can be trained, and the reasons why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from affectstore.models.cells.validate import pair_problem
from affectstore.models.spec import ENCODERS, FUSIONS


@dataclass(frozen=True)
class Matrix:
    """Every encoder with every fusion, for two modalities with the same encoder: audio and vision, or text for words.

    Attributes:
        encoders, fusions: Names, grouped by input kind and by need.
        problems: (encoder, fusion) -> reason why the two do not fit; pairs that fit are absent.
    """

    encoders: tuple[str, ...]
    fusions: tuple[str, ...]
    problems: Mapping[tuple[str, str], str]

    @property
    def num_pairs(self) -> int:
        """Number of pairs of an encoder and a fusion."""
        return len(self.encoders) * len(self.fusions)

    @property
    def num_valid(self) -> int:
        """Number of pairs that can be trained."""
        return self.num_pairs - len(self.problems)

    @property
    def text(self) -> str:
        """Table for a terminal: fusions in rows, encoders numbered in columns; then the reasons."""
        width = max(len(name) for name in self.fusions)
        lines = [f"{number:>2} {name} ({_input_kind(name)})" for number, name in enumerate(self.encoders, start=1)]
        lines += ["", f"{'':{width}}  " + " ".join(f"{number:>2}" for number in range(1, len(self.encoders) + 1))]
        for fusion in self.fusions:
            marks = (" ." if (encoder, fusion) in self.problems else " x" for encoder in self.encoders)
            lines.append(f"{fusion:{width}}  {' '.join(marks)}")
        lines += ["", f"{self.num_valid} of {self.num_pairs} pairs can be trained by naming them; the others cannot:"]
        return "\n".join([*lines, *(f"- {reason}" for reason in self._grouped_problems())])

    @property
    def markdown(self) -> str:
        """Table for docs/matrix.md: fusions in rows, encoders in columns; then the reasons."""
        head = "| fusion | needs | " + " | ".join(f"`{name}`" for name in self.encoders) + " |"
        kinds = "| | *input* | " + " | ".join(f"*{_input_kind(name)}*" for name in self.encoders) + " |"
        lines = [head, "|---|---|" + "---|" * len(self.encoders), kinds]
        for fusion in self.fusions:
            marks = ("" if (encoder, fusion) in self.problems else "x" for encoder in self.encoders)
            lines.append(f"| `{fusion}` | {_needs(fusion)} | " + " | ".join(marks) + " |")
        counted = f"{self.num_valid} of {self.num_pairs} pairs can be trained by naming them. The others cannot:"
        return "\n".join([*lines, "", counted, "", *(f"- {reason}" for reason in self._grouped_problems())])

    def save_figure(self, path: Path) -> None:
        """Draw a grid of squares, filled where the pair can be trained.

        Args:
            path: File; its suffix is the format.
        """
        from matplotlib.figure import Figure

        rows, columns = len(self.fusions), len(self.encoders)
        figure = Figure(figsize=(2.2 + 0.32 * columns, 1.6 + 0.28 * rows), layout="constrained")
        axes = figure.add_subplot()
        valid = [[(encoder, fusion) not in self.problems for encoder in self.encoders] for fusion in self.fusions]
        axes.pcolormesh(valid, cmap="Blues", vmin=-0.15, vmax=1.4, edgecolors="white", linewidth=1.5)
        axes.set_xticks([column + 0.5 for column in range(columns)], self.encoders, rotation=60, ha="right")
        axes.set_yticks([row + 0.5 for row in range(rows)], self.fusions)
        axes.invert_yaxis()
        axes.set_title(f"{self.num_valid} of {self.num_pairs} pairs can be trained", fontsize=10)
        axes.tick_params(length=0, labelsize=8)
        for side in axes.spines.values():
            side.set_visible(False)
        figure.savefig(path, dpi=150)

    def _grouped_problems(self) -> list[str]:
        """One line for all encoders that do not fit a fusion for the same reason."""
        groups: dict[str, list[str]] = {}
        for (encoder, _), reason in self.problems.items():
            groups.setdefault(reason.replace(f"encoder {encoder!r}", "the encoder"), []).append(encoder)
        return [f"{', '.join(encoders)}: {reason}" for reason, encoders in groups.items()]


def matrix() -> Matrix:
    """Build the matrix of all files of models/encoders/ and models/fusions/."""
    encoders = sorted(ENCODERS.names(), key=lambda name: (_input_kind(name), name))
    fusions = sorted(FUSIONS.names(), key=lambda name: (_needs(name), name))
    problems = {}
    for fusion in fusions:
        modalities = ("audio", FUSIONS.load(fusion).SPEC.words or "vision")
        for encoder in encoders:
            if reason := pair_problem(dict.fromkeys(modalities, encoder), fusion):
                problems[encoder, fusion] = reason
    return Matrix(tuple(encoders), tuple(fusions), problems)


def _input_kind(encoder: str) -> str:
    return ENCODERS.load(encoder).SPEC.input_kind


def _needs(fusion: str) -> str:
    spec = FUSIONS.load(fusion).SPEC
    return f"inputs, {spec.axis}" if spec.needs == "inputs" else spec.needs
