"""Invalid cells are refused with a reason, before any job starts."""

from __future__ import annotations

from typing import Any

import pytest

from affectstore.config.experiment import Experiment
from affectstore.config.messages import validated
from affectstore.errors import ConfigError
from affectstore.models.cells.inputs import input_features
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem

BOTH = ["audio", "vision"]


def experiment(cell: dict[str, Any], **changes: Any) -> Experiment:
    return Experiment(title="t", corpus="synthetic", cells=(cell,), **changes)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (
            {"modalities": BOTH, "encoder": "resnet18", "fusion": "time"},
            ["'time'", "frame axis", "'resnet18' reads 'image' inputs", "no such axis (clip, channel, height, width)"],
        ),
        (
            {"modalities": BOTH, "encoder": "simple3", "fusion": "time"},
            ["'simple3'", "resnet18, simple3d", "'simple3d'?"],
        ),
        (
            {"modalities": BOTH, "encoder": "simple3d", "fusion": "chanel"},
            ["fusion 'chanel'", "Did you mean 'channel'?"],
        ),
        (
            {"modalities": BOTH, "encoder": "simple3d", "fusion": "channel", "sharing": "shared"},
            ["`sharing: shared` has no meaning", "'channel' feeds one encoder"],
        ),
        ({"modalities": ["audio"], "encoder": "simple3d", "sharing": "separate"}, ["one modality (audio)"]),
        (
            {"modalities": BOTH, "encoder": {"audio": "simple3d", "vision": "simple3d"}, "fusion": "vertical"},
            ["'vertical' joins the inputs before one encoder", "one per modality"],
        ),
        (
            {"modalities": ["audio"], "encoder": "resnet18", "encoder_options": {"weights": "places"}},
            ["options of encoder 'resnet18'", "weights: 'places'", "'random' or 'imagenet'"],
        ),
        (
            {"modalities": BOTH, "encoder": "resnet18", "fusion": "concat", "fusion_options": {"width": 3}},
            ["options of fusion 'concat'", "width: unknown key"],
        ),
        ({"modalities": ["audio"], "encoder": "resnet18", "fusion_options": {"width": 3}}, ["without a fusion"]),
        (
            {
                "modalities": BOTH,
                "encoder": {"audio": "resnet18", "vision": "simple3d"},
                "fusion": "concat",
                "encoder_options": {"weights": "random"},
            },
            ["given per modality (audio, vision)", "found weights"],
        ),
    ],
)
def test_an_invalid_cell_is_refused_with_its_reason(cell: dict[str, Any], words: list[str]) -> None:
    asked = experiment(cell)
    reason = cell_problem(asked, asked.cells[0])
    assert reason is not None
    assert [word for word in words if word not in reason] == []


def test_a_cell_without_a_feature_for_its_encoder_names_those_that_there_are() -> None:
    asked = experiment({"modalities": ["audio"], "encoder": "simple3d"}, inputs={"audio": {"image": "mel_image"}})
    reason = cell_problem(asked, asked.cells[0])
    assert reason is not None
    assert "'simple3d' reads 'clip' inputs of audio" in reason
    assert "only for: image" in reason


def test_each_encoder_reads_the_feature_for_its_input_kind() -> None:
    asked = experiment(
        {
            "modalities": BOTH,
            "encoder": {"audio": "resnet18", "vision": "simple3d"},
            "fusion": "concat",
            "encoder_options": {"audio": {"weights": "random"}},
        }
    )
    cell = asked.cells[0]
    assert cell_problem(asked, cell) is None
    assert input_features(asked, cell) == {"audio": "mel_image", "vision": "frames"}
    recipe = recipe_for(asked, cell, ("a", "b"))
    assert recipe.image_shapes()["audio"].size == (3, 224, 224)
    assert recipe.image_shapes()["vision"].size == (3, 135, 224, 224)
    assert recipe.sharing == "separate"


def test_overrides_are_written_as_they_were_given() -> None:
    asked = experiment(
        {"modalities": ["vision"], "encoder": "simple3d", "train": {"epochs": 2}},
        train={"batch_size": 4, "epochs": 9},
        encoder_settings={"simple3d": {"train": {"learning_rate": 0.5}}},
    )
    again = Experiment(**asked.model_dump(mode="json"))
    for one in (asked, again):
        settings = one.training_of(one.cells[0])
        assert (settings.epochs, settings.batch_size, settings.learning_rate) == (2, 4, 0.5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": {"size": 3}}, "cells.0.images.size: unknown key (value 3); known: colour, frames"),
        ({"train": {"epochs": 0}}, "cells.0.train.epochs: 0 is not possible"),
        ({"sharing": "both"}, "cells.0.sharing: 'both' is not possible"),
        ({"fusion": "channel"}, "one modality (audio) has nothing to fuse"),
    ],
)
def test_an_override_that_is_unknown_or_impossible_is_named(changes: dict[str, Any], words: str) -> None:
    cell = {"modalities": ["audio"], "encoder": "simple3d"} | changes
    with pytest.raises(ConfigError) as error:
        validated(Experiment, {"title": "t", "corpus": "c", "cells": [cell]}, "x.yaml")
    assert words in str(error.value)


def test_settings_of_an_unknown_encoder_are_refused() -> None:
    asked = experiment({"modalities": ["audio"], "encoder": "simple3d"}, encoder_settings={"resnet81": {}})
    assert "encoder in `encoder_settings` 'resnet81'; known" in str(cell_problem(asked, asked.cells[0]))


def test_settings_of_encoder_and_cell_reach_the_recipe() -> None:
    asked = experiment(
        {"modalities": ["vision"], "encoder": "simple3d", "images": {"frames": 8}},
        images={"image_px": 64, "colour": "grayscale"},
        encoder_settings={"simple3d": {"images": {"frames": 32, "image_px": 48}}},
    )
    assert recipe_for(asked, asked.cells[0], ("a", "b")).image_shapes()["vision"].size == (1, 8, 48, 48)
