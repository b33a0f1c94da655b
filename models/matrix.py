"""Which encoders go with which fusions, and why the others do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affectstore.models.base import ENCODERS, FUSIONS
from affectstore.models.check import check_pair


@dataclass(frozen=True)
class Matrix:
    """Every encoder under every fusion, for two modalities with the same encoder: audio and vision, or text for words.

    Attributes:
        encoders, fusions: their names; those of one kind (what it takes, what it needs) stand together.
        reasons: (encoder, fusion) -> why the two do not go together, or ''.
    """

    encoders: tuple[str, ...]
    fusions: tuple[str, ...]
    reasons: Mapping[tuple[str, str], str]

    @property
    def valid(self) -> int:
        """How many pairs can be trained."""
        return sum(not reason for reason in self.reasons.values())

    @property
    def text(self) -> str:
        """For a terminal: fusions along the lines, encoders numbered above; the reasons behind."""
        width = max(len(name) for name in self.fusions)
        lines = [f"{number:>2} {name} ({_takes(name)})" for number, name in enumerate(self.encoders, start=1)]
        lines += ["", f"{'':{width}}  " + " ".join(f"{number:>2}" for number in range(1, len(self.encoders) + 1))]
        for fusion in self.fusions:
            marks = (" x" if not self.reasons[encoder, fusion] else " ." for encoder in self.encoders)
            lines.append(f"{fusion:{width}}  {' '.join(marks)}")
        lines += ["", f"{self.valid} of {len(self.reasons)} pairs can be trained by naming them; the others cannot:"]
        return "\n".join([*lines, *(f"- {reason}" for reason in self._different_reasons)])

    @property
    def markdown(self) -> str:
        """A page: fusions along the lines, encoders along the columns."""
        head = "| fusion | needs | " + " | ".join(f"`{name}`" for name in self.encoders) + " |"
        takes = "| | *takes* | " + " | ".join(f"*{_takes(name)}*" for name in self.encoders) + " |"
        lines = [head, "|---|---|" + "---|" * len(self.encoders), takes]
        for fusion in self.fusions:
            marks = ("x" if not self.reasons[encoder, fusion] else "" for encoder in self.encoders)
            lines.append(f"| `{fusion}` | {_needs(fusion)} | " + " | ".join(marks) + " |")
        lines += [
            "",
            f"{self.valid} of {len(self.reasons)} pairs can be trained by naming them. The others cannot:",
            "",
        ]
        return "\n".join([*lines, *(f"- {reason}" for reason in self._different_reasons)])

    @property
    def _different_reasons(self) -> list[str]:
        """One line for the encoders that a fusion cannot take for the same reason."""
        alike: dict[str, list[str]] = {}
        for (encoder, _), reason in self.reasons.items():
            if reason:
                alike.setdefault(reason.replace(f"encoder {encoder!r}", "the encoder"), []).append(encoder)
        return [f"{', '.join(encoders)}: {reason}" for reason, encoders in alike.items()]


def matrix() -> Matrix:
    """The matrix of all files of models/encoders/ and models/fusions/."""
    encoders = sorted(ENCODERS.names(), key=lambda name: (_takes(name), name))
    fusions = sorted(FUSIONS.names(), key=lambda name: (_needs(name), name))
    reasons = {
        (encoder, fusion): check_pair(
            dict.fromkeys(("audio", FUSIONS.load(fusion).SPEC.words or "vision"), encoder), fusion
        )
        for fusion in fusions
        for encoder in encoders
    }
    return Matrix(tuple(encoders), tuple(fusions), reasons)


def _takes(encoder: str) -> str:
    return ENCODERS.load(encoder).SPEC.takes


def _needs(fusion: str) -> str:
    spec = FUSIONS.load(fusion).SPEC
    return f"inputs, {spec.axis}" if spec.needs == "inputs" else spec.needs
