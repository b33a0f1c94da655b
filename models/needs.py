"""What a cell reads: the encoder of each modality, the feature that feeds it, and the shape of its pictures."""

from __future__ import annotations

from affectstore.config.experiment import Cell, Experiment
from affectstore.errors import ConfigError
from affectstore.models.base import ENCODERS, Given
from affectstore.models.baselines.base import BASELINES


def encoders_of(cell: Cell) -> dict[str, str]:
    """Modality -> name of its encoder, in the cell's order of modalities; empty for a baseline."""
    if cell.encoder is None:
        return {}
    if isinstance(cell.encoder, str):
        return dict.fromkeys(cell.modalities, cell.encoder)
    return {modality: cell.encoder[modality] for modality in cell.modalities}


def takes_of(cell: Cell) -> dict[str, str]:
    """Modality -> what its encoder takes; a baseline takes sequences, and pools them.

    Raises:
        UnknownNameError: no file of the folder has an encoder's or the baseline's name.
    """
    if cell.baseline is not None:
        BASELINES.load(cell.baseline)
        return dict.fromkeys(cell.modalities, "sequence")
    return {modality: ENCODERS.load(name).SPEC.takes for modality, name in encoders_of(cell).items()}


def inputs_of(experiment: Experiment, cell: Cell) -> dict[str, str]:
    """Modality -> feature instance that feeds it, as the cell's `inputs` say, or else the experiment's.

    Raises:
        UnknownNameError: no file of the folder has an encoder's or the baseline's name.
        ConfigError: `inputs` names no feature for what an encoder takes.
    """
    own = {str(modality): feature for modality, feature in cell.inputs.items()}
    inputs: dict[str, str] = {}
    for modality, takes in takes_of(cell).items():
        if modality in own:
            inputs[modality] = own[modality]
            continue
        known = experiment.inputs.get(modality, {})  # type: ignore[call-overload]
        if takes not in known:
            raise ConfigError(
                f"{_reader(cell, modality)} takes {takes!r} of {modality}; `inputs.{modality}` names a "
                f"feature only for: {', '.join(sorted(known)) or 'nothing'}"
            )
        inputs[modality] = known[takes]
    return inputs


def pictures_of(experiment: Experiment, cell: Cell, takes: str) -> Given:
    """Shape of what an encoder of a cell reads that takes an "image" or a "clip"."""
    pictures = experiment.pictures_of(cell)
    return Given(
        channels=3 if pictures.colour == "rgb" else 1,
        height_px=pictures.size_px,
        width_px=pictures.size_px,
        frames=pictures.frames if takes == "clip" else None,
    )


def _reader(cell: Cell, modality: str) -> str:
    """What messages call the part of a cell that reads a modality."""
    return f"baseline {cell.baseline!r}" if cell.baseline else f"encoder {encoders_of(cell)[modality]!r}"
