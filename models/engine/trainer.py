"""How the runs of a cell and fold are made, whatever is fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectstore.config.experiment import Cell

#: Of a cell, seed, folder and digests: fits into the folder and writes run.json last; what that holds.
Train = Callable[[Cell, int, Path, Mapping[str, str]], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Trainer:
    """All data read, ready to train.

    Attributes:
        run: trains a seed of a cell and predicts; gives None in processes that only help the first one.
        trial: the same without any prediction; run.json has, under "validation", what it is worth there.
        predict: with what was trained into a folder (of a cell and seed); writes the predictions, and gives what
            run.json has to say of them.
        said: what a log line says of a run's facts.
        first: whether this is the process that writes.
        agree: gives all processes what the first one says.
    """

    run: Train
    trial: Train
    predict: Callable[[Cell, int, Path], Mapping[str, Any]]
    said: Callable[[Mapping[str, Any]], str]
    first: bool = True
    agree: Callable[[Any], Any] = lambda value: value
