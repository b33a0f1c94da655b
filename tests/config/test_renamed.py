"""A former name of a key or value is refused in one line with its name today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, get_args

import pytest
from pydantic import BaseModel, ValidationError

from affectstore.config.base import Settings
from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.messages import validated
from affectstore.config.preset import Preset
from affectstore.config.training import Training
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.splits.base import PROTOCOLS, RENAMED, check_protocol

CELL: dict[str, Any] = {"modalities": ["audio", "vision"], "encoder": "mlp", "fusion": "concat"}


def message(**changes: Any) -> str:
    with pytest.raises(ConfigError) as error:
        validated(Experiment, {"title": "t", "corpus": "c", "cells": [CELL], **changes}, "x.yaml")
    first, line = str(error.value).splitlines()
    assert first == "x.yaml:"
    return line.strip()


#: Key of training, in its schedule or in its augmentation -> its name today.
TRAINING = {
    "optimiser": "optimizer",
    "clip_gradient": "max_grad_norm",
    "schedule.least": "min_lr",
    "schedule.warm_up": "warmup_epochs",
    "augment.time_share": "max_time_mask",
    "augment.band_masks": "freq_masks",
    "augment.band_share": "max_freq_mask",
    "mixup": "tricks: {mixup: {alpha: ...}}",
    "modality_dropout": "tricks: {modality_dropout: {rate: ...}}",
    "balance": "tricks: {ogm_ge: {}} or tricks: {g_blending: {}}",
    "ogm_alpha": "tricks: {ogm_ge: {alpha: ...}}",
    "blend_every": "tricks: {g_blending: {every: ...}}",
}


@pytest.mark.parametrize(("key", "new"), TRAINING.items())
def test_keys_of_training(key: str, new: str):
    *above, old = key.split(".")
    train: dict[str, Any] = {old: 1}
    for name in reversed(above):
        train = {name: train}
    for where, changes in {
        "train": {"train": train},
        "cells.0.train": {"cells": [{**CELL, "train": train}]},
        "encoder_settings.mlp.train": {"encoder_settings": {"mlp": {"train": train}}},
    }.items():
        place = ".".join([where, *above])
        assert message(**changes) == f"unknown key {old!r} in {place}: it is now called {new!r}"


@pytest.mark.parametrize(("key", "new"), TRAINING.items())
def test_keys_of_a_grid(key: str, new: str):
    *above, old = key.split(".")
    said = f"unknown key {old!r} in {'.'.join(['train', *above])}: it is now called {new!r}"
    grid = {f"train.{key}": [1, 2]}
    for changes in ({"grid": grid}, {"cells": [{**CELL, "grid": grid}]}, {"encoder_settings": {"mlp": {"grid": grid}}}):
        assert message(**changes).endswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pictures": {}}, "unknown key 'pictures': it is now called 'images'"),
        ({"cells": [{**CELL, "pictures": {}}]}, "unknown key 'pictures' in cells.0: it is now called 'images'"),
        (
            {"encoder_settings": {"mlp": {"pictures": {}}}},
            "unknown key 'pictures' in encoder_settings.mlp: it is now called 'images'",
        ),
        ({"images": {"size_px": 32}}, "unknown key 'size_px' in images: it is now called 'image_px'"),
        ({"sequences": {"most_steps": 9}}, "unknown key 'most_steps' in sequences: it is now called 'max_steps'"),
        ({"sequences": {"first": {}}}, "unknown key 'first' in sequences: it is now called 'prepend'"),
        ({"images": {"colour": "grey"}}, "unknown value 'grey' in images.colour: it is now called 'grayscale'"),
        (
            {"encoder_settings": {"mlp": {"images": {"colour": "grey"}}}},
            "unknown value 'grey' in encoder_settings.mlp.images.colour: it is now called 'grayscale'",
        ),
        (
            {"cells": [{"modalities": ["audio", "vision"], "encoder": "mlp", "sharing": "union"}]},
            "unknown value 'union' in cells.0.sharing: it is now called 'modality_agnostic'",
        ),
    ],
)
def test_keys_and_values_of_experiments(changes: dict[str, Any], said: str):
    assert message(**changes) == said


def test_protocols():
    with pytest.raises(UnknownNameError) as error:
        check_protocol("sound")
    assert str(error.value) == "unknown protocol 'sound': it is now called 'speaker_independent'"
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'sounds'; known: .*speaker_independent"):
        check_protocol("sounds")
    assert set(RENAMED.values()) <= set(PROTOCOLS.names())
    assert set(RENAMED).isdisjoint(PROTOCOLS.names())


def test_options_of_networks():
    """Options are plain mappings in an experiment; they are checked with their own model, which knows its old names."""

    class Inner(Settings):
        renamed: ClassVar[Mapping[str, str]] = {"size": "dim"}
        dim: int = 1

    class Options(Settings):
        renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dim"}
        hidden_dim: int = 1
        inner: Inner | None = None

    for given, said in (
        ({"hidden": 3}, "unknown key 'hidden': it is now called 'hidden_dim'"),
        ({"inner": {"size": 3}}, "unknown key 'size' in inner: it is now called 'dim'"),
    ):
        with pytest.raises(ConfigError) as error:
            validated(Options, given, "options of encoder 'blstm'")
        assert str(error.value) == f"options of encoder 'blstm':\n  {said}"


def test_other_keys_list_the_known():
    assert "train.epoch: unknown key (value 3)" in message(train={"epoch": 3})
    assert message(train={"epoch": 3}).endswith("Did you mean 'epochs'?")
    assert message(images={"colour": "gray"}).startswith("images.colour: 'gray' is not possible: ")


def models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        parts = [field.annotation]
        while parts:
            part = parts.pop()
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from models_below(part)
            parts += get_args(part)


@pytest.mark.parametrize(
    "model", dict.fromkeys(found for top in (Config, Experiment, Preset) for found in models_below(top))
)
def test_former_names_are_free_and_new_ones_exist(model: type[Settings]):
    for old, new in model.renamed.items():
        assert old not in model.model_fields
        assert new.partition(":")[0] in model.model_fields
    for key, values in model.renamed_values.items():
        known = {value for part in get_args(model.model_fields[key].annotation) for value in (part, *get_args(part))}
        assert set(values).isdisjoint(known)
        assert set(values.values()) <= known


def test_free_mappings_of_a_grid():
    grid = {
        "train.tricks.mixup.alpha": (0.1, 0.2),
        "train.tricks": ({}, {"ogm_ge": {}}),
        "train.loss_options.gamma": (1,),
    }
    assert Experiment(title="t", corpus="c", cells=[CELL], grid=grid).grid == grid
    with pytest.raises(ValidationError, match="train has no setting 'losses'"):
        Experiment(title="t", corpus="c", cells=[CELL], grid={"train.losses.gamma": (1,)})


def test_the_order_of_tricks_is_that_of_their_names():
    tricks: dict[str, dict[str, Any]] = {"ogm_ge": {}, "mixup": {"alpha": 0.2}}
    assert list(Training(tricks=tricks).tricks) == ["mixup", "ogm_ge"]
    assert (
        Training(tricks=tricks).model_dump_json() == Training(tricks=dict(reversed(tricks.items()))).model_dump_json()
    )


def test_tricks_of_a_cell_replace_those_of_the_experiment():
    none, own = {**CELL, "name": "none", "train": {"tricks": {}}}, {**CELL, "name": "own", "train": {"epochs": 2}}
    experiment = Experiment(title="t", corpus="c", cells=[none, own], train={"tricks": {"mixup": {"alpha": 0.2}}})
    assert [experiment.training_of(cell).tricks for cell in experiment.cells] == [{}, {"mixup": {"alpha": 0.2}}]
