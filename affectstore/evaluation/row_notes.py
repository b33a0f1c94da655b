"""Row notes: training budget, inputs, device and extent of a row, so that a quick look is not mistaken for a result.

Tables show them in the column "Flags" (`flags` in the CSV file).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from affectstore.config.experiment import Cell, Experiment
from affectstore.evaluation.runs import Run
from affectstore.weights.random import BADGE

#: With fewer seeds the standard deviation is unreliable.
ENOUGH_SEEDS = 5
#: With fewer test speakers an interval that resamples them is too narrow.
ENOUGH_SPEAKERS = 10

#: Pattern of a row note -> explanation, for the report.
MEANINGS = {
    r"epochs<=\d+": "trained for at most so many passes over the training subset; the epoch is chosen on validation",
    r"\d+px": "images scaled to so many pixels in height and width",
    r"\d+ frames?": "frames of a video per clip, evenly spaced",
    r"grayscale": "images in one channel",
    r"bf16-mixed": "forward pass in bfloat16",
    r"grid of \d+": "so many combinations of options were trained; the best on validation, in the mean over the "
    "seeds of a fold, was taken and tested",
    r"seeds<\d+": "fewer training runs per fold than a deviation needs",
    r"folds \d+/\d+": "folds that were run, of the folds of the protocol: not every clip was tested",
    r"speakers<\d+": "so few speakers were tested that an interval that resamples them is too narrow",
    r"random weights": "the networks started from random numbers, nothing was pretrained",
    rf"{BADGE}: .*": "a feature that the networks read was computed with random weights: the numbers mean nothing",
    r"uncalibrated": "probabilities are a softmax of the classifier's scores: their order counts, their loss does not",
    r"loss says nothing": "the class is drawn at random: the loss is not that of a forecast",
    r"no validation subset: nothing chosen": "the split keeps nothing to choose on, so settings are taken as they are",
    r"no validation subset: last epoch": "the split keeps nothing to choose the epoch on, so the last one is taken",
    r"one modality at a time": "one network classifies each modality of a clip by itself: twice as many predictions "
    "for two modalities, and none that knows both",
    r"not calibrated: no validation subset": "the fusion fits itself to a validation subset, and the split keeps none: "
    "it stays as it starts",
    r".* weights": "what the networks started from",
}


def meaning_of(note: str, devices: Collection[str]) -> str:
    """Explain a row note.

    Args:
        note: One of `row_notes`.
        devices: Devices of the runs.
    """
    if note in devices:
        return "device the runs were trained on"
    for pattern, meaning in MEANINGS.items():
        if re.fullmatch(pattern, note):
            return meaning
    return "departure from the protocol that the runs declare"


def row_notes(
    experiment: Experiment, cell: Cell, runs: Sequence[Run], protocol_folds: int | None, n_speakers: int
) -> tuple[str, ...]:
    """List the notes of one row in a fixed order: settings, device, weights, extent, then the badges of its runs.

    Baselines have no training settings; networks without image inputs have no image settings.

    Args:
        experiment: Configuration of the experiment.
        cell: Cell of the row.
        runs: Runs of the cell.
        protocol_folds: Number of folds of the protocol; None if unknown.
        n_speakers: Number of test speakers.
    """
    images, training = experiment.images_of(cell), experiment.training_of(cell)
    kinds = {part for reported in _reported(runs, "input_kind") for part in str(reported or "clip").split("+")}
    epochs = max(map(int, experiment.grid_of(cell).get("train.epochs", (training.epochs,))))
    notes = [] if cell.baseline else [f"epochs<={epochs}"]
    if kinds & {"image", "clip"}:
        notes.append(f"{images.image_px}px")
        if images.colour == "grayscale":
            notes.append("grayscale")
    if "clip" in kinds:
        notes.append(f"{images.frames} frame" + ("s" if images.frames > 1 else ""))
    notes += device_kinds(runs)
    if training.precision != "32-true" and not cell.baseline:
        notes.append(training.precision)
    notes += _initial_weights(runs)
    notes += [f"grid of {grid['tried']}" for grid in _reported(runs, "grid") if grid]
    seeds, folds = len({run.seed for run in runs}), len({run.fold for run in runs})
    if seeds < ENOUGH_SEEDS:
        notes.append(f"seeds<{ENOUGH_SEEDS}")
    if protocol_folds is not None and folds < protocol_folds:
        notes.append(f"folds {folds}/{protocol_folds}")
    if n_speakers < ENOUGH_SPEAKERS:
        notes.append(f"speakers<{ENOUGH_SPEAKERS}")
    notes += [str(badge) for run in runs for badge in run.facts.get("badges") or ()]
    return tuple(dict.fromkeys(notes))


def _reported(runs: Sequence[Run], key: str) -> list[Any]:
    """Distinct values of a key of run.json, in the order of the runs."""
    found: list[Any] = []
    for run in runs:
        value = run.facts.get(key)
        if value not in found:
            found.append(value)
    return found


def device_kinds(runs: Sequence[Run]) -> list[str]:
    """Distinct devices of runs without their index: `cuda:0` and `cuda:1` are both `cuda`."""
    names = [re.sub(r":\d+$", "", str(device)) for device in _reported(runs, "device") if device]
    return list(dict.fromkeys(names))


def _initial_weights(runs: Sequence[Run]) -> list[str]:
    """Names of the weights that training started from, one or several."""
    names: list[str] = []
    for value in _reported(runs, "weights"):
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        names += [f"{str(part).partition(' (')[0]} weights" for part in parts if part]
    return list(dict.fromkeys(names))
