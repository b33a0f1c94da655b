"""What a cell reads: the encoder of each modality, and the feature that feeds it."""

from __future__ import annotations

from affectstore.config.experiment import Cell, Experiment
from affectstore.errors import ConfigError
from affectstore.models.base import ENCODERS


def encoders_of(cell: Cell) -> dict[str, str]:
    """Modality -> name of its encoder, in the cell's order of modalities."""
    if isinstance(cell.encoder, str):
        return dict.fromkeys(cell.modalities, cell.encoder)
    return {modality: cell.encoder[modality] for modality in cell.modalities}


def takes_of(cell: Cell) -> dict[str, str]:
    """Modality -> what its encoder takes ("image", "clip").

    Raises:
        UnknownNameError: no file of the folder has an encoder's name.
    """
    return {modality: ENCODERS.load(name).SPEC.takes for modality, name in encoders_of(cell).items()}


def inputs_of(experiment: Experiment, cell: Cell) -> dict[str, str]:
    """Modality -> feature instance that feeds it, as the experiment's `inputs` say.

    Raises:
        UnknownNameError: no file of the folder has an encoder's name.
        ConfigError: `inputs` names no feature for what an encoder takes.
    """
    inputs = {}
    for modality, takes in takes_of(cell).items():
        known = experiment.inputs.get(modality, {})  # type: ignore[call-overload]
        if takes not in known:
            raise ConfigError(
                f"encoder {encoders_of(cell)[modality]!r} takes {takes!r} of {modality}; `inputs.{modality}` names a "
                f"feature only for: {', '.join(sorted(known)) or 'nothing'}"
            )
        inputs[modality] = known[takes]
    return inputs
