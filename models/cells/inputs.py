"""Inputs of a cell: the encoder and the feature of each modality, and the shape of its images."""

from affectstore.config.experiment import Cell, Experiment
from affectstore.errors import ConfigError
from affectstore.models.baseline_spec import BASELINES
from affectstore.models.spec import ENCODERS, ClipShape, ImageShape, InputKind


def named_encoders(cell: Cell) -> dict[str, str]:
    """Modality -> name of its encoder, in the cell's order of modalities; empty for a baseline."""
    if cell.encoder is None:
        return {}
    if isinstance(cell.encoder, str):
        return dict.fromkeys(cell.modalities, cell.encoder)
    return {modality: cell.encoder[modality] for modality in cell.modalities}


def input_kinds(cell: Cell) -> dict[str, InputKind]:
    """Modality -> input kind of its encoder; a baseline reads sequences and pools them.

    Raises:
        UnknownNameError: No file has the name of an encoder or the baseline.
    """
    if cell.baseline is not None:
        BASELINES.load(cell.baseline)
        return dict.fromkeys(cell.modalities, "sequence")
    return {modality: ENCODERS.load(name).SPEC.input_kind for modality, name in named_encoders(cell).items()}


def input_features(experiment: Experiment, cell: Cell) -> dict[str, str]:
    """Modality -> feature instance that it is read from: named by the cell's `inputs`, or else the experiment's.

    Raises:
        UnknownNameError: No file has the name of an encoder or the baseline.
        ConfigError: `inputs` names no feature for the input kind of an encoder.
    """
    own = {str(modality): feature for modality, feature in cell.inputs.items()}
    by_modality = {str(modality): features for modality, features in experiment.inputs.items()}
    features: dict[str, str] = {}
    for modality, kind in input_kinds(cell).items():
        known = by_modality.get(modality, {})
        if modality in own:
            features[modality] = own[modality]
        elif kind in known:
            features[modality] = known[kind]
        else:
            reader = f"baseline {cell.baseline!r}" if cell.baseline else f"encoder {named_encoders(cell)[modality]!r}"
            raise ConfigError(
                f"{reader} reads {kind!r} inputs of {modality}; `inputs.{modality}` names a feature only for: "
                f"{', '.join(sorted(known)) or 'nothing'}"
            )
    return features


def image_shape(experiment: Experiment, cell: Cell, kind: InputKind) -> ImageShape:
    """Shape of the images that an encoder of a cell reads: a `ClipShape` for the input kind "clip"."""
    images = experiment.images_of(cell)
    channels = 3 if images.colour == "rgb" else 1
    if kind == "clip":
        return ClipShape(channels=channels, height_px=images.image_px, width_px=images.image_px, frames=images.frames)
    return ImageShape(channels=channels, height_px=images.image_px, width_px=images.image_px)
