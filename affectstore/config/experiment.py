"""An experiment file of `workflow/experiments/`: one table of results."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, model_validator

from affectstore.config.base import Settings
from affectstore.config.grid import Grid, of_kinds
from affectstore.config.training import Training

Modality = Literal["audio", "vision", "text"]
Sharing = Literal["separate", "shared", "union"]
Missing = Literal["masked", "absent"]
_Count = Annotated[int, Field(ge=1)]


class Pictures(Settings):
    """How stored pictures become network inputs."""

    size_px: int = Field(default=224, ge=8, le=1024, description="Height and width of each picture, in pixels.")
    colour: Literal["grey", "rgb"] = Field(default="rgb", description="One channel or three.")
    frames: int = Field(
        default=135,
        ge=1,
        description="Pictures of a video per clip: evenly spread when it has more, zero-padded when less.",
    )
    normalise: Literal["none", "train"] = Field(
        default="train",
        description="`train`: subtract the mean and divide by the deviation of the training side, per modality and "
        "channel; `none`: only scaled to [0, 1].",
    )


class Sequences(Settings):
    """How stored rows become the steps of a sequence."""

    pool: _Count | dict[Modality, _Count] = Field(
        default=1,
        description="A step is the mean of so many rows; the last one of those that are left. Of every modality, or of "
        "those that are named (`{audio: 4}`): the others keep their rows.",
    )
    most_steps: int = Field(
        default=4096,
        ge=1,
        description="Longer clips are pooled further, by the least whole number that makes them fit.",
    )
    first: dict[Modality, str] = Field(
        default={},
        description="An array that the modality's feature has once a clip, put before the first step: `{text: cls}` is "
        "[CLS] of `bert`, which the pooling `cls` of `blstm` then reads.",
    )
    normalise: Literal["none", "train"] = Field(
        default="train",
        description="`train`: subtract the mean and divide by the deviation of each column over the training side's "
        "steps; `none`: as stored.",
    )


def _only_set(settings: Settings) -> dict[str, Any]:
    """Departures are written as they were given: a default that nobody named overrides nothing."""
    return settings.model_dump(mode="json", exclude_unset=True)


class EncoderSettings(Settings):
    """Departures of all cells of one encoder."""

    pictures: Pictures = Field(default=Pictures(), description="Departures from the experiment's `pictures`.")
    train: Training = Field(default=Training(), description="Departures from the experiment's `train`.")
    encoder_options: dict[str, Any] = Field(default={}, description="Options of the encoder.")
    grid: Grid = Field(default={}, description="More swept options, or other values of the experiment's `grid`.")

    _write = field_serializer("pictures", "train")(_only_set)


class Cell(Settings):
    """One row of the table: modalities, and an encoder and a fusion, or a baseline."""

    modalities: tuple[Modality, ...] = Field(description="One or several of audio, vision and text.")
    encoder: str | dict[Modality, str] | None = Field(
        default=None, description="Name of a file in `models/encoders/`, or one per modality."
    )
    fusion: str | None = Field(default=None, description="Name of a file in `models/fusions/`; none for one modality.")
    sharing: Sharing | None = Field(
        default=None,
        description="`separate`: an encoder per modality; `shared`: one set of weights. For fusions of what encoders "
        "give; an input fusion always feeds one encoder. `union`: nothing is fused; one encoder and one classifier get "
        "one modality of a clip at a time, and each is classified for itself.",
    )
    baseline: str | None = Field(
        default=None,
        description="Instead of an encoder, the name of a file in `models/baselines/`: it reads the features of "
        "sequences, pooled over time; those of several modalities are joined.",
    )
    inputs: dict[Modality, str] = Field(
        default={}, description="Departures from the experiment's `inputs`: the feature of a modality."
    )
    encoder_options: dict[str, Any] = Field(default={}, description="Options of the encoder.")
    fusion_options: dict[str, Any] = Field(default={}, description="Options of the fusion.")
    baseline_options: dict[str, Any] = Field(default={}, description="Options of the baseline.")
    init_from: dict[Modality, str] = Field(
        default={},
        description="Names of cells of this experiment, each a network of that modality alone: its encoder, trained on "
        "the same fold with the same seed, is what this cell's starts from.",
    )
    teachers: dict[Modality, str] = Field(
        default={},
        description="Names of such cells whose logits a fusion learns from (`distilled_probe`); they are trained "
        "first, and stay as they are.",
    )
    pictures: Pictures = Field(
        default=Pictures(), description="Departures from the experiment's `pictures` and its encoder's."
    )
    train: Training = Field(
        default=Training(), description="Departures from the experiment's `train` and its encoder's."
    )
    grid: Grid = Field(
        default={}, description="More swept options, or other values of the experiment's `grid` and its encoder's."
    )
    name: str = Field(
        default="", pattern=r"^[A-Za-z0-9_.-]*$", description="Name in paths and tables; made up when empty."
    )

    _write = field_serializer("pictures", "train")(_only_set)

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
        if self.sharing == "union":
            self._check_union()
        elif len(self.modalities) > 1 and self.fusion is None:
            raise ValueError(f"{len(self.modalities)} modalities need a fusion, or `sharing: union`")
        if len(self.modalities) == 1 and self.fusion is not None:
            raise ValueError(f"one modality ({self.modalities[0]}) has nothing to fuse; drop `fusion: {self.fusion}`")
        if isinstance(self.encoder, dict):
            if set(self.encoder) != set(self.modalities):
                raise ValueError(
                    f"`encoder` names {sorted(self.encoder)}, the modalities are {sorted(self.modalities)}"
                )
            if self.sharing in ("shared", "union"):
                raise ValueError(f"`sharing: {self.sharing}` means one encoder; name one, not one per modality")
        return self

    def _check_union(self) -> None:
        if len(self.modalities) == 1:
            raise ValueError(
                f"`sharing: union` trains one network on several modalities, there is one ({self.modalities[0]})"
            )
        if self.fusion is not None:
            raise ValueError(
                f"`sharing: union` classifies each modality for itself, so nothing is fused; drop `fusion: "
                f"{self.fusion}`"
            )

    def _check_baseline(self) -> Cell:
        meaningless = {"fusion", "sharing", "encoder_options", "fusion_options", "pictures", "train"}
        meaningless |= {"init_from", "teachers"}
        given = sorted(name for name in self.model_fields_set & meaningless if self._departs(name))
        if given:
            raise ValueError(
                f"`{given[0]}` means nothing to a baseline ({self.baseline}), which joins the pooled features of its "
                "modalities; its settings are `baseline_options`"
            )
        return self

    def _departs(self, name: str) -> bool:
        """Whether a setting says anything."""
        value = getattr(self, name)
        return bool(value.model_fields_set if isinstance(value, Settings) else value)

    @property
    def swept(self) -> tuple[str, ...]:
        """What keys of a `grid` may begin with to reach this cell."""
        if self.baseline is not None:
            return ("baseline_options",)
        return ("train", "encoder_options", *(["fusion_options"] if self.fusion else []))

    @property
    def modality(self) -> str:
        """The table's word: audio, vision, text or multimodal."""
        return self.modalities[0] if len(self.modalities) == 1 else "multimodal"

    @property
    def encoder_label(self) -> str:
        """The table's word for the encoder or encoders, or the baseline."""
        if self.encoder is None:
            return str(self.baseline)
        if isinstance(self.encoder, str):
            return self.encoder
        return "+".join(self.encoder[m] for m in self.modalities)

    @property
    def id(self) -> str:
        """The name, or one made of what the cell is."""
        if self.name:
            return self.name
        parts = [self.encoder_label.replace("+", "_"), self.modality, self.fusion, self.sharing]
        return "-".join(part for part in parts if part)


class Experiment(Settings):
    """One table: a corpus, a protocol, and the cells that are compared on it."""

    title: str = Field(description="One sentence above the table.")
    corpus: str = Field(description="Name of a corpus in config.yaml.")
    label_target: Literal["intended", "audio", "visual", "audiovisual"] = Field(
        default="intended", description="Intended emotion, or the crowd's consensus on sound, picture or both."
    )
    classes: tuple[str, ...] = Field(
        default=(), description="Labels that take part, in order; empty: all of the corpus."
    )
    merge: dict[str, str] = Field(default={}, description="Labels that count as another one (`{exc: hap}`).")
    select: dict[str, tuple[str, ...]] = Field(
        default={}, description="Columns of the clips table and the values kept (`{level: [HI]}`)."
    )
    protocol: str = Field(default="sound", description="Name of a file in `affectstore/splits/`.")
    folds: tuple[int, ...] = Field(default=(), description="Folds that are run; empty: all of the protocol.")
    seeds: int = Field(default=5, ge=1, description="Training runs per cell and fold, seeds 0, 1, ...")
    inputs: dict[Modality, dict[str, str]] = Field(
        default={
            "audio": {"image": "mel_image", "clip": "mel_chunks", "sequence": "lld"},
            "vision": {"image": "faces", "clip": "frames", "sequence": "vggface"},
            "text": {"sequence": "bert"},
        },
        description="Which feature feeds each modality, by what the encoder takes.",
    )
    pictures: Pictures = Field(default=Pictures(), description="How stored pictures become network inputs.")
    sequences: Sequences = Field(default=Sequences(), description="How stored rows become steps of sequences.")
    train: Training = Field(default=Training(), description="The engine's settings.")
    encoder_settings: dict[str, EncoderSettings] = Field(
        default={},
        description="Departures of all cells of an encoder: `{simple3d: {train: {...}, pictures: {...}, "
        "encoder_options: {...}}}`; a cell with one encoder per modality is named by both, `resnet18+simple3d`.",
    )
    grid: Grid = Field(
        default={},
        description="Options that are swept: `train.<setting>`, `encoder_options.<name>`, `fusion_options.<name>` or "
        "`baseline_options.<name>` (dots go deeper: `train.schedule.kind`) -> the values to try. Every combination is "
        "trained with every seed, and a cell takes the one that is best on validation in the mean over its seeds. "
        "Keys reach the cells that have such options.",
    )
    missing: tuple[Missing, ...] = Field(
        default=("masked",),
        description="How cells of several modalities are tried without each of them, besides with all: `masked`: set "
        "to zero, which is the mean of the training side (`no_audio`); `absent`: not given at all (`absent_audio`): "
        "late fusions leave it out, sequences have no step of it, vectors of it are zero. Empty: not tried.",
    )
    cells: tuple[Cell, ...] = Field(default=(), description="The rows of the table.")
    encoders: Literal["all"] | tuple[str, ...] = Field(
        default=(),
        description="Rows besides `cells`: each of these encoders on each modality alone and under each of `fusions` "
        "that fits it; `all`: every encoder for whose input `inputs` names a feature.",
    )
    fusions: Literal["all"] | tuple[str, ...] = Field(
        default=(), description="Fusions for `encoders`; those that do not fit one are left out (docs/matrix.md)."
    )
    modalities: tuple[Modality, ...] = Field(
        default=("audio", "vision"), min_length=1, description="Modalities of the rows that `encoders` makes."
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

    def pictures_of(self, cell: Cell) -> Pictures:
        """Picture settings of a cell: the experiment's, then its encoder's, then its own."""
        return Pictures(**_layered(self.pictures, self._of_encoder(cell).pictures, cell.pictures))

    def training_of(self, cell: Cell) -> Training:
        """Engine settings of a cell: the experiment's, then its encoder's, then its own."""
        return Training(**_layered(self.train, self._of_encoder(cell).train, cell.train))

    def encoder_options_of(self, cell: Cell) -> dict[str, Any]:
        """Encoder options of a cell: those for its encoder, then its own."""
        return self._of_encoder(cell).encoder_options | cell.encoder_options

    def grid_of(self, cell: Cell) -> dict[str, tuple[Any, ...]]:
        """Swept options of a cell -> their values, by name: the experiment's, then its encoder's, then its own.

        A later layer's values take the place of an earlier one's. Keys of the first two reach cells that have such
        options: `train` and `encoder_options` networks, `fusion_options` fusions, `baseline_options` baselines.
        """
        layers = of_kinds({**self.grid, **self._of_encoder(cell).grid}, cell.swept) | cell.grid
        return dict(sorted(layers.items()))  # the file of a run keeps no order of keys

    def _of_encoder(self, cell: Cell) -> EncoderSettings:
        return self.encoder_settings.get(cell.encoder_label, EncoderSettings())


def _layered(base: Settings, *departures: Settings) -> dict[str, Any]:
    values = base.model_dump()
    for departure in departures:
        values = _departing(values, departure)
    return values


def _departing(values: dict[str, Any], departure: Settings) -> dict[str, Any]:
    """Values with those that the departure names; of settings within settings, those that they name."""
    named = {name: getattr(departure, name) for name in departure.model_fields_set}
    plain = departure.model_dump(exclude_unset=True)
    return values | {
        name: _departing(values[name], value) if isinstance(value, Settings) else plain[name]
        for name, value in named.items()
    }
