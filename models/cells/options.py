"""Options of a cell's encoders, fusion, baseline, loss and tricks, as instances of the models that their files
declare.
"""

from collections.abc import Mapping

from affectstore.config.base import Settings
from affectstore.config.experiment import Cell, Experiment
from affectstore.config.messages import validated
from affectstore.config.training import Training
from affectstore.errors import ConfigError
from affectstore.models.baseline_spec import BASELINES
from affectstore.models.cells.inputs import named_encoders
from affectstore.models.spec import ENCODERS, FUSIONS, LOSSES, TRICKS, EncoderOptions, FusionOptions, TrickOptions


def encoder_options(experiment: Experiment, cell: Cell) -> dict[str, EncoderOptions]:
    """Modality -> options of its encoder.

    `encoder_options` are the options of one encoder; where a cell has an encoder per modality, they are given under the
    modality's name.

    Raises:
        ConfigError: An option is unknown or impossible.
    """
    options, names = experiment.encoder_options_of(cell), named_encoders(cell)
    if isinstance(cell.encoder, str):
        one = validated(ENCODERS.load(cell.encoder).Options, options, f"options of encoder {cell.encoder!r}")
        return dict.fromkeys(names, one)
    if strange := sorted(set(options) - set(cell.modalities)):
        raise ConfigError(
            f"`encoder_options`: this cell has an encoder per modality, so they are given per modality "
            f"({', '.join(cell.modalities)}), found {', '.join(strange)}"
        )
    return {
        modality: validated(ENCODERS.load(name).Options, options.get(modality, {}), f"options of encoder {name!r}")
        for modality, name in names.items()
    }


def fusion_options(cell: Cell) -> FusionOptions | None:
    """Options of the fusion; None without a fusion.

    Raises:
        ConfigError: An option is unknown or impossible.
    """
    if cell.fusion is None:
        if cell.fusion_options:
            raise ConfigError(f"`fusion_options` {sorted(cell.fusion_options)} without a fusion")
        return None
    return validated(FUSIONS.load(cell.fusion).Options, cell.fusion_options, f"options of fusion {cell.fusion!r}")


def baseline_options(cell: Cell) -> Settings:
    """Options of the baseline of a cell that names one.

    Raises:
        ConfigError: The baseline or an option is unknown, or an option is impossible.
    """
    name = str(cell.baseline)
    return validated(BASELINES.load(name).Options, cell.baseline_options, f"options of baseline {name!r}")


def loss_options(training: Training) -> Settings:
    """Options of the loss.

    Raises:
        ConfigError: The loss or an option is unknown, or an option is impossible.
    """
    return validated(LOSSES.load(training.loss).Options, training.loss_options, f"options of loss {training.loss!r}")


def trick_options(experiment: Experiment, cell: Cell) -> dict[str, TrickOptions]:
    """Trick -> its options, sorted by name: those of `train.tricks`, and `distillation` for cells with `teachers`.

    Raises:
        ConfigError: A trick or an option is unknown, or an option is impossible.
    """
    named = experiment.training_of(cell).tricks
    if cell.teachers:
        named = {"distillation": {}, **named}
    return {
        name: validated(TRICKS.load(name).Options, options, f"options of trick {name!r}")
        for name, options in sorted(named.items())
    }


def pretrained_digests(options: Mapping[str, EncoderOptions]) -> dict[str, str]:
    """Modality -> digest of the published weights that its encoder starts from, where it does.

    Args:
        options: Modality -> options of its encoder.

    Raises:
        ConfigError: Weights are missing or wrong; the message says what to do.
    """
    digests = {modality: one.pretrained_digest() for modality, one in options.items()}
    return {modality: digest for modality, digest in digests.items() if digest is not None}
