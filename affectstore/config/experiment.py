"""An experiment file of `workflow/experiments/`: one table of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_serializer, model_validator

from affectstore.config.base import Settings
from affectstore.config.grid import Grid, of_kinds
from affectstore.config.inputs import Images, Modality, Sequences
from affectstore.config.training import Training

Sharing = Literal["separate", "shared", "modality_agnostic"]
Missing = Literal["masked", "absent"]


def _only_set(settings: Settings) -> dict[str, Any]:
    """Serialise only the keys that were given: a default that nobody set overrides nothing."""
    return settings.model_dump(mode="json", exclude_unset=True)


class EncoderSettings(Settings):
    """Settings of all cells of one encoder, which override the experiment's."""

    renamed: ClassVar[Mapping[str, str]] = {"pictures": "images"}

    images: Images = Field(default=Images(), description="Overrides of the experiment's `images`.")
    train: Training = Field(default=Training(), description="Overrides of the experiment's `train`.")
    encoder_options: dict[str, Any] = Field(default={}, description="Options of the encoder.")
    grid: Grid = Field(default={}, description="More swept options, or other values of the experiment's `grid`.")

    _write = field_serializer("images", "train")(_only_set)


class Cell(Settings):
    """One row of the table: modalities, and an encoder and a fusion, or a baseline."""

    renamed: ClassVar[Mapping[str, str]] = {"pictures": "images"}
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = {"sharing": {"union": "modality_agnostic"}}

    modalities: tuple[Modality, ...] = Field(description="One or several of audio, vision and text.")
    encoder: str | dict[Modality, str] | None = Field(
        default=None, description="Name of a file in `models/encoders/`, or one per modality."
    )
    fusion: str | None = Field(default=None, description="Name of a file in `models/fusions/`; none for one modality.")
    sharing: Sharing | None = Field(
        default=None,
        description="`separate`: one encoder per modality; `shared`: one encoder, the same weights for all modalities. "
        "Both are for fusions of encoder outputs; a fusion of inputs always has one encoder. `modality_agnostic`: no "
        "fusion; one encoder and one classifier receive one modality of a clip at a time and classify each by itself.",
    )
    baseline: str | None = Field(
        default=None,
        description="Name of a file in `models/baselines/`, instead of an encoder: it receives the features of "
        "sequences, pooled over time and concatenated over modalities.",
    )
    inputs: dict[Modality, str] = Field(
        default={}, description="Overrides of the experiment's `inputs`: feature of each modality."
    )
    encoder_options: dict[str, Any] = Field(default={}, description="Options of the encoder.")
    fusion_options: dict[str, Any] = Field(default={}, description="Options of the fusion.")
    baseline_options: dict[str, Any] = Field(default={}, description="Options of the baseline.")
    init_from: dict[Modality, str] = Field(
        default={},
        description="Names of cells of this experiment, each with that modality only: the encoder of this cell is "
        "initialised with theirs, trained on the same fold with the same seed.",
    )
    teachers: dict[Modality, str] = Field(
        default={},
        description="Names of such cells whose logits a fusion learns from (`distilled_probe`). They are trained "
        "first, and frozen.",
    )
    images: Images = Field(default=Images(), description="Overrides of the experiment's `images` and of its encoder's.")
    train: Training = Field(
        default=Training(), description="Overrides of the experiment's `train` and of its encoder's."
    )
    grid: Grid = Field(
        default={}, description="More swept options, or other values of the experiment's `grid` and its encoder's."
    )
    name: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="Name in paths and tables; composed of modality, encoder, fusion and sharing if empty.",
    )

    _write = field_serializer("images", "train")(_only_set)

    @model_validator(mode="after")
    def _check(self) -> Cell:
        if not self.modalities or len(set(self.modalities)) != len(self.modalities):
            raise ValueError(f"modalities must be named once each, got {list(self.modalities)}")
        for name in ("inputs", "init_from", "teachers"):
            strange = sorted(set(getattr(self, name)) - set(self.modalities))
            if strange:
                raise ValueError(
                    f"`{name}` names {', '.join(strange)}, the modalities are {', '.join(self.modalities)}"
                )
        if (self.encoder is None) == (self.baseline is None):
            raise ValueError("a cell names either an `encoder` or a `baseline`")
        if strange := sorted(set(self.grid) - set(of_kinds(self.grid, self.swept))):
            raise ValueError(f"`grid` names {strange[0]!r}; what this cell has: {', '.join(self.swept)}")
        if self.baseline is not None:
            return self._check_baseline()
        if self.baseline_options:
            raise ValueError(f"`baseline_options` {sorted(self.baseline_options)} without a baseline")
        if self.sharing == "modality_agnostic":
            self._check_modality_agnostic()
        elif len(self.modalities) > 1 and self.fusion is None:
            raise ValueError(f"{len(self.modalities)} modalities need a fusion, or `sharing: modality_agnostic`")
        if len(self.modalities) == 1 and self.fusion is not None:
            raise ValueError(f"one modality ({self.modalities[0]}) has nothing to fuse; drop `fusion: {self.fusion}`")
        if isinstance(self.encoder, dict):
            if set(self.encoder) != set(self.modalities):
                raise ValueError(
                    f"`encoder` names {sorted(self.encoder)}, the modalities are {sorted(self.modalities)}"
                )
            if self.sharing in ("shared", "modality_agnostic"):
                raise ValueError(f"`sharing: {self.sharing}` means one encoder; name one, not one per modality")
        return self

    def _check_modality_agnostic(self) -> None:
        if len(self.modalities) == 1:
            raise ValueError(
                "`sharing: modality_agnostic` trains one network on several modalities, there is one "
                f"({self.modalities[0]})"
            )
        if self.fusion is not None:
            raise ValueError(
                "`sharing: modality_agnostic` classifies each modality for itself, so nothing is fused; drop `fusion: "
                f"{self.fusion}`"
            )

    def _check_baseline(self) -> Cell:
        meaningless = {"fusion", "sharing", "encoder_options", "fusion_options", "images", "train"}
        meaningless |= {"init_from", "teachers"}
        given = sorted(name for name in self.model_fields_set & meaningless if self._departs(name))
        if given:
            raise ValueError(
                f"`{given[0]}` means nothing to a baseline ({self.baseline}), which joins the pooled features of its "
                "modalities; its settings are `baseline_options`"
            )
        return self

    def _departs(self, name: str) -> bool:
        """Test if a setting holds any value."""
        value = getattr(self, name)
        return bool(value.model_fields_set if isinstance(value, Settings) else value)

    @property
    def swept(self) -> tuple[str, ...]:
        """First parts of the `grid` keys that apply to this cell."""
        if self.baseline is not None:
            return ("baseline_options",)
        return ("train", "encoder_options", *(["fusion_options"] if self.fusion else []))

    @property
    def modality(self) -> str:
        """Modality in tables: audio, vision, text or multimodal."""
        return self.modalities[0] if len(self.modalities) == 1 else "multimodal"

    @property
    def encoder_label(self) -> str:
        """Encoder or encoders in tables, or the baseline."""
        if self.encoder is None:
            return str(self.baseline)
        if isinstance(self.encoder, str):
            return self.encoder
        return "+".join(self.encoder[m] for m in self.modalities)

    @property
    def id(self) -> str:
        """Name of the cell, composed of encoder, modality, fusion and sharing if none is given."""
        if self.name:
            return self.name
        parts = [self.encoder_label.replace("+", "_"), self.modality, self.fusion, self.sharing]
        return "-".join(part for part in parts if part)


class Experiment(Settings):
    """One table: a corpus, a protocol, and the cells that are compared on it."""

    renamed: ClassVar[Mapping[str, str]] = {"pictures": "images"}

    title: str = Field(description="One sentence above the table.")
    corpus: str = Field(description="Name of a corpus in config.yaml.")
    label_target: Literal["intended", "audio", "visual", "audiovisual"] = Field(
        default="intended",
        description="Intended emotion, or the consensus of raters who received the audio, the video or both.",
    )
    classes: tuple[str, ...] = Field(default=(), description="Labels that are classified, in order; empty: all.")
    merge: dict[str, str] = Field(default={}, description="Labels that are replaced by another one (`{exc: hap}`).")
    select: dict[str, tuple[str, ...]] = Field(
        default={}, description="Columns of the clips table and the values that are kept (`{level: [HI]}`)."
    )
    protocol: str = Field(default="speaker_independent", description="Name of a file in `affectstore/splits/`.")
    folds: tuple[int, ...] = Field(default=(), description="Folds that are run; empty: all of the protocol.")
    seeds: int = Field(default=5, ge=1, description="Training runs per cell and fold, seeds 0, 1, ...")
    inputs: dict[Modality, dict[str, str]] = Field(
        default={
            "audio": {"image": "mel_image", "clip": "mel_chunks", "sequence": "lld"},
            "vision": {"image": "faces", "clip": "frames", "sequence": "vggface"},
            "text": {"sequence": "bert"},
        },
        description="Feature of each modality, by the input kind of the encoder.",
    )
    images: Images = Field(default=Images(), description="Preprocessing of stored images for networks.")
    sequences: Sequences = Field(default=Sequences(), description="Preprocessing of stored rows for networks.")
    train: Training = Field(default=Training(), description="Settings of training.")
    encoder_settings: dict[str, EncoderSettings] = Field(
        default={},
        description="Overrides for all cells of an encoder: `{simple3d: {train: {...}, images: {...}, "
        "encoder_options: {...}}}`; a cell with one encoder per modality is named by both, `resnet18+simple3d`.",
    )
    grid: Grid = Field(
        default={},
        description="Grid search: `train.<setting>`, `encoder_options.<name>`, `fusion_options.<name>` or "
        "`baseline_options.<name>` (dots go deeper: `train.schedule.kind`) -> the values to try. Every combination is "
        "trained with every seed, and each cell takes the one with the best validation score, averaged over its seeds. "
        "Keys apply to the cells that have such options.",
    )
    missing: tuple[Missing, ...] = Field(
        default=("masked",),
        description="Test conditions of multimodal cells in which one modality is missing, in addition to the complete "
        "one. `masked`: set to zero, the mean of the training subset (`no_audio`); `absent`: not given at all "
        "(`absent_audio`): late fusions leave it out, sequences lack its steps, its vectors are zero. Empty: none.",
    )
    cells: tuple[Cell, ...] = Field(default=(), description="Rows of the table.")
    encoders: Literal["all"] | tuple[str, ...] = Field(
        default=(),
        description="Rows in addition to `cells`: each of these encoders on each modality alone and with each of "
        "`fusions` that fits it; `all`: every encoder for whose input kind `inputs` names a feature.",
    )
    fusions: Literal["all"] | tuple[str, ...] = Field(
        default=(), description="Fusions for `encoders`; those that do not fit one are left out (docs/matrix.md)."
    )
    modalities: tuple[Modality, ...] = Field(
        default=("audio", "vision"), min_length=1, description="Modalities of the rows from `encoders`."
    )

    @model_validator(mode="after")
    def _check(self) -> Experiment:
        if not self.cells and not self.encoders:
            raise ValueError("`cells` and `encoders` are empty: a table needs at least one row")
        ids = [cell.id for cell in self.cells]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"cells of the same name: {', '.join(twice)}; give them a `name`")
        return self

    def images_of(self, cell: Cell) -> Images:
        """Return the image settings of a cell: the experiment's, overridden by its encoder's, then by its own."""
        return Images(**_layered(self.images, self._of_encoder(cell).images, cell.images))

    def training_of(self, cell: Cell) -> Training:
        """Return the training settings of a cell: the experiment's, overridden by its encoder's, then by its own."""
        return Training(**_layered(self.train, self._of_encoder(cell).train, cell.train))

    def encoder_options_of(self, cell: Cell) -> dict[str, Any]:
        """Return the encoder options of a cell: those of `encoder_settings`, overridden by its own."""
        return self._of_encoder(cell).encoder_options | cell.encoder_options

    def grid_of(self, cell: Cell) -> dict[str, tuple[Any, ...]]:
        """Return the swept options of a cell and their values, sorted by name.

        The experiment's values are replaced by its encoder's, and those by its own. Keys of the first two apply to
        cells that have such options: `train` and `encoder_options` to networks, `fusion_options` to fusions,
        `baseline_options` to baselines.
        """
        layers = of_kinds({**self.grid, **self._of_encoder(cell).grid}, cell.swept) | cell.grid
        return dict(sorted(layers.items()))  # the file of a run keeps no order of keys

    def _of_encoder(self, cell: Cell) -> EncoderSettings:
        return self.encoder_settings.get(cell.encoder_label, EncoderSettings())


def _layered(base: Settings, *overrides: Settings) -> dict[str, Any]:
    values = base.model_dump()
    for override in overrides:
        values = _overridden(values, override)
    return values


def _overridden(values: dict[str, Any], override: Settings) -> dict[str, Any]:
    """Replace the values that `override` sets; of nested settings, only the keys that they set."""
    given = {name: getattr(override, name) for name in override.model_fields_set}
    plain = override.model_dump(exclude_unset=True)
    return values | {
        name: _overridden(values[name], value) if isinstance(value, Settings) else plain[name]
        for name, value in given.items()
    }
