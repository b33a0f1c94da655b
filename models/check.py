"""Whether a cell can be trained at all, told before any job starts and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.messages import validated
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.base import AXES, ENCODERS, FUSIONS, OUTPUTS, gives
from affectstore.models.baselines.base import BASELINES
from affectstore.models.needs import encoders_of, inputs_of
from affectstore.models.options import check_training


def check_cell(experiment: Experiment, cell: Cell) -> str:
    """Why a cell is invalid, or '' where it is valid."""
    try:
        for label in experiment.encoder_settings:
            for name in label.split("+"):
                if name not in ENCODERS.names():
                    raise UnknownNameError("encoder in `encoder_settings`", name, ENCODERS.names())
        if cell.baseline is not None:
            baseline_options(cell)
            inputs_of(experiment, cell)
            return ""
        names = encoders_of(cell)
        for name in names.values():
            ENCODERS.load(name)
        reason = check_pair(names, cell.fusion)
        if reason:
            return reason
        if cell.fusion is None or FUSIONS.load(cell.fusion).SPEC.needs == "inputs":
            if isinstance(cell.encoder, dict) and len(cell.modalities) > 1:
                return f"fusion {cell.fusion!r} joins the inputs before one encoder; `encoder` names one per modality"
            if cell.sharing is not None:
                return f"`sharing: {cell.sharing}` means nothing here: {_one_encoder(cell)}; leave it out"
        inputs_of(experiment, cell)
        _check_options(experiment, cell)
        fusion = FUSIONS.load(cell.fusion) if cell.fusion else None
        return check_training(experiment.training_of(cell), fusion, cell.sharing)
    except ConfigError as error:
        return str(error)
    return ""


def check_pair(encoders: Mapping[str, str], fusion: str | None) -> str:
    """Why a fusion does not fit these encoders, or ''.

    Args:
        encoders: modality -> encoder.
        fusion: none where there is one modality.

    Raises:
        UnknownNameError: no file of the folder has the name.
    """
    if fusion is None:
        return ""
    module = FUSIONS.load(fusion)
    for name in dict.fromkeys(encoders.values()):
        encoder = ENCODERS.load(name)
        if module.SPEC.needs == "inputs":
            axes = AXES[encoder.SPEC.takes]
            if module.SPEC.axis not in axes:
                return (
                    f"fusion {fusion!r} joins its inputs along the {module.SPEC.axis} axis, and encoder {name!r} takes "
                    f"{encoder.SPEC.takes!r}, which has no such axis ({', '.join(axes)})"
                )
        elif not gives(encoder.SPEC, module.SPEC.needs):
            return (
                f"fusion {fusion!r} needs {module.SPEC.needs!r} ({', '.join(OUTPUTS[module.SPEC.needs])}) of every "
                f"encoder, and encoder {name!r} gives {encoder.SPEC.gives!r}"
            )
    if module.SPEC.words is not None and module.SPEC.words not in encoders:
        return (
            f"fusion {fusion!r} goes word by word, so it needs {module.SPEC.words} among the modalities, which are "
            f"{', '.join(encoders)}"
        )
    return ""


def _one_encoder(cell: Cell) -> str:
    if cell.fusion is None:
        return f"there is one modality ({cell.modalities[0]})"
    return f"fusion {cell.fusion!r} feeds one encoder with all modalities"


def encoder_options(experiment: Experiment, cell: Cell) -> dict[str, Any]:
    """Modality -> options of its encoder, an instance of what its file declares.

    `encoder_options` are the options of one encoder; where a cell has one per modality, they stand
    under the modality's name.

    Raises:
        ConfigError: an option is unknown or impossible.
    """
    options = experiment.encoder_options_of(cell)
    if isinstance(cell.encoder, dict):
        strange = sorted(set(options) - set(cell.modalities))
        if strange:
            raise ConfigError(
                f"`encoder_options`: this cell has an encoder per modality, so they are given per modality "
                f"({', '.join(cell.modalities)}), found {', '.join(strange)}"
            )
        return {
            modality: validated(ENCODERS.load(name).Options, options.get(modality, {}), f"options of encoder {name!r}")
            for modality, name in encoders_of(cell).items()
        }
    name = cast("str", cell.encoder)
    one = validated(ENCODERS.load(name).Options, options, f"options of encoder {name!r}")
    return dict.fromkeys(cell.modalities, one)


def baseline_options(cell: Cell) -> Any:
    """Options of the baseline of a cell that names one, an instance of what its file declares.

    Raises:
        ConfigError: the baseline or an option is unknown, or an option is impossible.
    """
    name = cast("str", cell.baseline)
    return validated(BASELINES.load(name).Options, cell.baseline_options, f"options of baseline {name!r}")


def fusion_options(cell: Cell) -> Any:
    """Options of the fusion, an instance of what its file declares; None without a fusion.

    Raises:
        ConfigError: an option is unknown or impossible.
    """
    if cell.fusion is None:
        if cell.fusion_options:
            raise ConfigError(f"`fusion_options` {sorted(cell.fusion_options)} without a fusion")
        return None
    return validated(FUSIONS.load(cell.fusion).Options, cell.fusion_options, f"options of fusion {cell.fusion!r}")


def _check_options(experiment: Experiment, cell: Cell) -> None:
    encoder_options(experiment, cell)
    fusion_options(cell)
