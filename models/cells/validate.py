"""Validation of cells before any job starts, without torch."""

from collections.abc import Mapping

from affectstore.config.experiment import Cell, Experiment
from affectstore.digest import canonical_json
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.cells.combinations import combinations, find_unused_key
from affectstore.models.cells.inputs import image_shape, input_features, input_kinds, named_encoders
from affectstore.models.cells.options import (
    baseline_options,
    encoder_options,
    fusion_options,
    loss_options,
    trick_options,
)
from affectstore.models.spec import (
    ENCODERS,
    FUSIONS,
    INPUT_AXES,
    LOSSES,
    OUTPUT_AXES,
    TRICKS,
    FusionSpec,
    JoinOptions,
    TrickUse,
)


def cell_problem(experiment: Experiment, cell: Cell) -> str | None:
    """Reason why a cell, or a combination of its grid, is invalid; None where it is valid."""
    try:
        swept = combinations(experiment, cell)
    except ConfigError as error:
        return str(error)
    seen: dict[str, str] = {}
    known = cell.modalities if "tricks" in cell.train.model_fields_set else _all_modalities(experiment)
    for one in swept:
        if reason := _combination_problem(experiment, one.cell, known):
            return f"{reason} (with {one.label} of the grid)" if one.options else reason
        if not one.options:
            continue
        if (same := _effective_settings(experiment, one.cell)) in seen:
            return f"`grid`: {seen[same]} and {one.label} have the same effect; leave one of them out"
        seen[same] = one.label
    return find_unused_key(experiment)


def _effective_settings(experiment: Experiment, cell: Cell) -> str:
    """Everything that a grid can change in a cell, with defaults filled in, as canonical JSON."""
    if cell.baseline is not None:
        return canonical_json(baseline_options(cell).model_dump(mode="json"))
    training, fusion = experiment.training_of(cell), fusion_options(cell)
    options = [*encoder_options(experiment, cell).values(), *([fusion] if fusion else []), loss_options(training)]
    tricks = {name: one.model_dump(mode="json") for name, one in trick_options(experiment, cell).items()}
    rest = training.model_dump(mode="json", exclude={"tricks", "loss_options"})
    return canonical_json([rest, tricks, *(one.model_dump(mode="json") for one in options)])


def _all_modalities(experiment: Experiment) -> tuple[str, ...]:
    """Modalities of all cells."""
    return tuple(dict.fromkeys(modality for one in experiment.cells for modality in one.modalities))


def _combination_problem(experiment: Experiment, cell: Cell, known_modalities: tuple[str, ...]) -> str | None:
    """Reason why a cell without a grid is invalid, or None.

    Args:
        experiment: The experiment.
        cell: One of its cells, or a combination of its grid.
        known_modalities: Modalities that options of tricks may name.
    """
    try:
        for label in experiment.encoder_settings:
            for name in label.split("+"):
                if name not in ENCODERS.names():
                    raise UnknownNameError("encoder in `encoder_settings`", name, ENCODERS.names())
        if cell.baseline is not None:
            baseline_options(cell)
            input_features(experiment, cell)
            return None
        names = named_encoders(cell)
        if reason := pair_problem(names, cell.fusion) or _sharing_problem(cell):
            return reason
        input_features(experiment, cell)
        return network_problem(experiment, cell) or _training_problem(experiment, cell, known_modalities)
    except ConfigError as error:
        return str(error)


def _sharing_problem(cell: Cell) -> str | None:
    """Reason why `encoder` or `sharing` is meaningless for a cell with one encoder, or None."""
    if cell.fusion is not None and FUSIONS.load(cell.fusion).SPEC.needs != "inputs":
        return None
    if isinstance(cell.encoder, dict) and len(cell.modalities) > 1:
        return f"fusion {cell.fusion!r} joins the inputs before one encoder; `encoder` names one per modality"
    if cell.sharing in (None, "modality_agnostic"):
        return None
    if cell.fusion is None:
        cause = f"there is one modality ({cell.modalities[0]})"
    else:
        cause = f"fusion {cell.fusion!r} feeds one encoder with all modalities"
    return f"`sharing: {cell.sharing}` has no meaning here: {cause}; leave it out"


def network_problem(experiment: Experiment, cell: Cell) -> str | None:
    """Reason why a network's encoders and fusion cannot process its modalities, options and images, or None.

    Raises:
        ConfigError: An option is unknown or impossible.
    """
    names, options, fused = named_encoders(cell), encoder_options(experiment, cell), fusion_options(cell)
    specs = {modality: ENCODERS.load(name).SPEC for modality, name in names.items()}
    shapes = {
        modality: image_shape(experiment, cell, spec.input_kind)
        for modality, spec in specs.items()
        if spec.input_kind != "sequence"
    }
    if fused is not None:
        depths = {m: options[m].depth for m, spec in specs.items() if spec.outputs("layers")}
        if reason := fused.problem(cell.modalities, depths):
            return reason
        if isinstance(fused, JoinOptions):
            shapes = {cell.modalities[0]: fused.join_shapes(shapes)}
    for modality, shape in shapes.items():
        if reason := options[modality].problem(shape):
            return reason
    return None


def dims_problem(experiment: Experiment, cell: Cell, dims: Mapping[str, int]) -> str | None:
    """Reason why modalities cannot share weights: their sequences have steps of different dimensions; or None.

    Args:
        experiment: The experiment.
        cell: One of its cells.
        dims: Feature instance -> values of each row, for those that are known.
    """
    if cell.sharing not in ("shared", "modality_agnostic"):
        return None
    kinds, inputs = input_kinds(cell), input_features(experiment, cell)
    sequences = [inputs[m] for m in cell.modalities if kinds[m] == "sequence" and inputs[m] in dims]
    if len({dims[feature] for feature in sequences}) < 2:
        return None
    listed = ", ".join(f"{feature!r} {dims[feature]}" for feature in sequences)
    return (
        f"`sharing: {cell.sharing}` is one set of weights, and the rows of its inputs differ in dimension: {listed}; "
        "choose features of the same dimension under `inputs`, or `sharing: separate`"
    )


def pair_problem(encoders: Mapping[str, str], fusion: str | None) -> str | None:
    """Reason why a fusion does not fit these encoders, or None.

    Args:
        encoders: Modality -> name of its encoder.
        fusion: Name of the fusion; None for one modality.

    Raises:
        UnknownNameError: No file of the folder has the name.
    """
    specs = {name: ENCODERS.load(name).SPEC for name in dict.fromkeys(encoders.values())}
    if fusion is None:
        return None
    spec = FUSIONS.load(fusion).SPEC
    for name, encoder in specs.items():
        if spec.needs == "inputs":
            axes = INPUT_AXES[encoder.input_kind]
            if spec.axis not in axes:
                return (
                    f"fusion {fusion!r} joins its inputs along the {spec.axis} axis, and encoder {name!r} reads "
                    f"{encoder.input_kind!r} inputs, which have no such axis ({', '.join(axes)})"
                )
        elif not encoder.outputs(spec.needs):
            return (
                f"fusion {fusion!r} needs {spec.needs!r} ({', '.join(OUTPUT_AXES[spec.needs])}) of every encoder, and "
                f"encoder {name!r} outputs {encoder.output_kind!r}"
            )
    if spec.words is not None and spec.words not in encoders:
        return (
            f"fusion {fusion!r} aligns modalities with words, so it needs {spec.words} among the modalities, which are "
            f"{', '.join(encoders)}"
        )
    return None


def _training_problem(experiment: Experiment, cell: Cell, known_modalities: tuple[str, ...]) -> str | None:
    """Reason why settings of `train` do not fit each other or the cell, or None.

    Raises:
        ConfigError: A loss, a trick or an option is unknown or impossible.
    """
    training = experiment.training_of(cell)
    fusion = FUSIONS.load(cell.fusion).SPEC if cell.fusion else None
    warmup = training.schedule.warmup_epochs
    if warmup and warmup >= training.epochs:
        return f"`schedule.warmup_epochs` is {warmup} of {training.epochs} epochs: nothing is left of the schedule"
    loss_options(training)
    if training.label_smoothing and not LOSSES.load(training.loss).SPEC.label_smoothing:
        return f"`label_smoothing` has no meaning for loss {training.loss!r}; leave it out"
    if training.unlabelled and (fusion is None or not fusion.uses_unlabelled):
        named = "a single modality" if fusion is None else f"fusion {cell.fusion!r}"
        return f"`unlabelled`: {named} has no loss that works without labels; leave it out"
    return _tricks_problem(experiment, cell, fusion, known_modalities)


def _tricks_problem(
    experiment: Experiment, cell: Cell, fusion: FusionSpec | None, known_modalities: tuple[str, ...]
) -> str | None:
    """Reason why a training trick does not fit the cell or another trick, or None."""
    tricks = trick_options(experiment, cell)
    use = TrickUse(
        modalities=cell.modalities,
        known_modalities=known_modalities,
        fusion=fusion,
        fusion_name=cell.fusion or "",
        sharing=cell.sharing,
        unlabelled=experiment.training_of(cell).unlabelled,
        teachers=tuple(cell.teachers),
    )
    for name, options in tricks.items():
        for other in TRICKS.load(name).SPEC.conflicts:
            if other in tricks:
                implied = " (used wherever a cell has `teachers`)" if "distillation" in (name, other) else ""
                return f"tricks `{name}` and `{other}` cannot be combined{implied}; choose one of them"
        if reason := options.problem(use):
            return reason
    replacing = [f"`{name}`" for name in tricks if TRICKS.load(name).SPEC.replaces_loss]
    if len(replacing) > 1:
        return f"tricks {' and '.join(replacing)} each replace the loss; choose one of them"
    return None
