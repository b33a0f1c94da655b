"""Whether a cell can be trained at all, told before any job starts and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from affectstore.config.experiment import Cell, Experiment
from affectstore.config.messages import validated
from affectstore.digest import canonical_json
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.base import AXES, ENCODERS, FUSIONS, OUTPUTS, gives
from affectstore.models.baselines.base import BASELINES
from affectstore.models.grid import combinations, unreached
from affectstore.models.needs import encoders_of, inputs_of, pictures_of, takes_of
from affectstore.models.options import check_dropout, check_training


def check_cell(experiment: Experiment, cell: Cell) -> str:
    """Why a cell, or a combination of its grid, is invalid; '' where it is valid."""
    try:
        found = combinations(experiment, cell)
    except ConfigError as error:
        return str(error)
    known = cell.modalities if "modality_dropout" in cell.train.model_fields_set else _modalities(experiment)
    seen: dict[str, str] = {}
    for one in found:
        reason = _check_one(experiment, one.cell)
        if reason := reason or check_dropout(experiment.training_of(one.cell).modality_dropout, known):
            return f"{reason} (with {one.label} of the grid)" if one.options else reason
        if one.options and (same := _effective(experiment, one.cell)) in seen:
            return f"`grid`: {seen[same]} and {one.label} come to the same; leave one of them out"
        if one.options:
            seen[same] = one.label
    return unreached(experiment)


def _effective(experiment: Experiment, cell: Cell) -> str:
    """All that a grid can change in a cell, in its final form."""
    if cell.baseline is not None:
        return canonical_json(baseline_options(cell).model_dump(mode="json"))
    options = [*encoder_options(experiment, cell).values(), *([fusion_options(cell)] if cell.fusion else [])]
    return canonical_json([one.model_dump(mode="json") for one in (experiment.training_of(cell), *options)])


def _modalities(experiment: Experiment) -> tuple[str, ...]:
    """Those of any of its cells."""
    return tuple(dict.fromkeys(modality for cell in experiment.cells for modality in cell.modalities))


def _check_one(experiment: Experiment, cell: Cell) -> str:
    """The same of a cell as it is, whatever its grid."""
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
            if cell.sharing not in (None, "union"):
                return f"`sharing: {cell.sharing}` means nothing here: {_one_encoder(cell)}; leave it out"
        inputs_of(experiment, cell)
        if reason := misfit(experiment, cell):
            return reason
        fusion = FUSIONS.load(cell.fusion) if cell.fusion else None
        return check_training(experiment.training_of(cell), fusion, cell.sharing)
    except ConfigError as error:
        return str(error)
    return ""


def misfit(experiment: Experiment, cell: Cell) -> str:
    """What the files of a network's encoders and fusion have against its modalities, options and pictures, or ''.

    Raises:
        ConfigError: an option is unknown or impossible.
    """
    names, options, fused = encoders_of(cell), encoder_options(experiment, cell), fusion_options(cell)
    modules = {modality: ENCODERS.load(name) for modality, name in names.items()}
    pictures = {
        modality: pictures_of(experiment, cell, module.SPEC.takes)
        for modality, module in modules.items()
        if module.SPEC.takes != "sequence"
    }
    if cell.fusion is not None:
        fusion = FUSIONS.load(cell.fusion)
        if hasattr(fusion, "check"):
            depths = {m: one.depth(options[m]) for m, one in modules.items() if gives(one.SPEC, "layers")}
            if reason := fusion.check(cell.modalities, fused, depths):
                return reason
        if fusion.SPEC.needs == "inputs":
            pictures = {cell.modalities[0]: fusion.joined(pictures, fused)}
    for modality, given in pictures.items():
        if hasattr(modules[modality], "check") and (reason := modules[modality].check(given, options[modality])):
            return reason
    return ""


def check_columns(experiment: Experiment, cell: Cell, columns: Mapping[str, int]) -> str:
    """Why modalities that shall share weights cannot: their sequences have different numbers of columns; or ''.

    Args:
        experiment, cell: which.
        columns: feature instance -> its columns, of those that are known.
    """
    if cell.sharing not in ("shared", "union"):
        return ""
    takes, inputs = takes_of(cell), inputs_of(experiment, cell)
    steps = [inputs[m] for m in cell.modalities if takes[m] == "sequence" and inputs[m] in columns]
    if len({columns[feature] for feature in steps}) < 2:
        return ""
    listed = ", ".join(f"{feature!r} {columns[feature]}" for feature in steps)
    return (
        f"`sharing: {cell.sharing}` is one set of weights, and its inputs differ in their numbers of columns: {listed}"
        "; choose features with as many columns under `inputs`, or say `sharing: separate`"
    )


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
