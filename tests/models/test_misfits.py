"""Cells that could only fail in their training job are refused before any job, and never made of `all`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import small

from affectstore.config.check import check_names
from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError
from affectstore.features.keys import features_of
from affectstore.models.base import ENCODERS, FUSIONS, Given
from affectstore.models.check import check_cell
from affectstore.models.expand import expand
from affectstore.models.network import Network
from affectstore.models.recipe import recipe_of

BOTH = ["audio", "vision"]
WORDS = ["audio", "text"]
SEEN = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.takes != "sequence"]


def reason(cell: dict[str, Any], **changes: Any) -> str:
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,), **changes)
    return check_cell(experiment, experiment.cells[0])


def expanded(**settings: Any) -> Experiment:
    resolved = Resolved(Config(corpora={}, features={}, experiments=()), {"x": experiment(**settings)}, {}, {})
    return expand(resolved).experiments["x"]


def experiment(**settings: Any) -> Experiment:
    return Experiment(title="t", corpus="synthetic", **settings)


@pytest.mark.parametrize("name", SEEN)
def test_a_picture_encoder_reads_every_shape_that_it_does_not_refuse(name: str) -> None:
    module = ENCODERS.load(name)
    options = module.Options(**small(name))
    frames = (None,) if module.SPEC.takes == "image" else (1, 2, 9)
    for size_px in (8, 14, 15, 17):
        for count in frames:
            given = Given(channels=2, height_px=size_px, width_px=size_px, frames=count)
            if hasattr(module, "check") and module.check(given, options):
                assert size_px < 15
                assert name == "googlenet"
                continue
            with torch.device("meta"):
                weights = module.weights(given, options)
                mask = torch.ones(2, count or 1, dtype=torch.bool)
                vector = module.encode(weights, torch.zeros(2, *given.shape), mask, options)
            assert vector.shape == (2, module.features(given, options))


LADDER = {"modalities": BOTH, "encoder": "transformer", "fusion": "ladder"}


@pytest.mark.parametrize(
    ("cell", "changes", "said"),
    [
        (
            {"modalities": ["vision"], "encoder": "googlenet"},
            {"pictures": {"size_px": 14}},
            "15 px or more each way, not 14x14",
        ),
        (
            {"modalities": BOTH, "encoder": "googlenet", "fusion": "vertical"},
            {"pictures": {"size_px": 14}},
            "not 28x14",
        ),
        (
            {"modalities": BOTH, "encoder": {"audio": "mlp", "vision": "googlenet"}, "fusion": "concat"},
            {"encoder_settings": {"mlp+googlenet": {"pictures": {"size_px": 10}}}},
            "not 10x10",
        ),
        (
            {**LADDER, "encoder_options": {"layers": 2}, "fusion_options": {"depth": 4}},
            {},
            "shall restore 4 layers (`depth`), and the encoders have: audio 3, vision 3",
        ),
        (
            {
                **LADDER,
                "encoder": {"audio": "transformer", "vision": "auxformer"},
                "encoder_options": {"audio": {"layers": 4}, "vision": {"layers": 1, "passes": 2}},
                "grid": {"fusion_options.depth": [3, 4]},
            },
            {},
            "audio 5, vision 3; lower `depth`, or make the encoders deeper (with fusion_options.depth 4 of the grid)",
        ),
        (
            {
                "modalities": WORDS,
                "encoder": "transformer",
                "fusion": "ablation_trained",
                "fusion_options": {"ablated": "vision"},
            },
            {},
            "takes vision away in training, and the modalities are audio, text",
        ),
        (
            {"modalities": ["vision", "text"], "encoder": "resnet18", "fusion": "replicated"},
            {"inputs": {"vision": {"image": "faces"}, "text": {"image": "faces"}}},
            "tiles the picture of audio; the modalities are vision, text",
        ),
        (
            {
                "modalities": BOTH,
                "encoder": "simple3d",
                "fusion": "joint_loss",
                "fusion_options": {"audio": 0, "vision": 0, "regulariser": 1},
            },
            {},
            "has `audio: 0`, `vision: 0`, so nothing is learnt from any label",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_any_job(
    cell: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    assert said in reason(cell, **changes)


def test_what_can_be_trained_is_not_refused() -> None:
    assert reason({"modalities": ["vision"], "encoder": "googlenet"}, pictures={"size_px": 15}) == ""
    assert reason({**LADDER, "encoder_options": {"layers": 2}, "fusion_options": {"depth": 3}}) == ""
    alone = {"audio": 0, "similarity": 0.1}  # seed 004's sound that learns from pictures
    assert reason({"modalities": BOTH, "encoder": "simple3d", "fusion": "joint_loss", "fusion_options": alone}) == ""


@pytest.mark.parametrize("modalities", [BOTH, WORDS, ["text", "vision", "audio"]])
def test_gaps_are_in_vision_where_there_is_any(modalities: list[str]) -> None:
    module, ablated = FUSIONS.load("ablation_trained"), "vision" if "vision" in modalities else "text"
    cell = {"modalities": modalities, "encoder": "transformer", "fusion": "ablation_trained"}
    assert reason(cell) == ""
    values = {m: torch.ones(3, 4, 2) for m in modalities}
    masks = {m: torch.ones(3, 4, dtype=torch.bool) for m in modalities}
    given = module.ablate(values, masks, module.Options(clip_rate=1.0))
    assert [m for m in modalities if not given[m].any()] == [ablated]
    named = module.ablate(values, masks, module.Options(clip_rate=1.0, ablated="audio"))
    assert [m for m in modalities if not named[m].any()] == ["audio"]


def test_all_of_sound_and_words_is_valid_and_its_networks_can_be_built() -> None:
    made = expanded(encoders="all", fusions="all", modalities=WORDS)
    assert {cell.fusion for cell in made.cells} >= {"ablation_trained", "ladder", "word_gmu", "joint_loss"}
    assert [check_cell(made, cell) for cell in made.cells] == [""] * len(made.cells)
    for cell in made.cells:
        if cell.encoder == "transformer":
            with torch.device("meta"):
                Network(recipe_of(made, cell, ("a", "b"), {"lld": 65, "bert": 768}))


def test_all_encoders_are_those_that_see_such_pictures() -> None:
    made = expanded(encoders="all", fusions="all", pictures={"size_px": 8, "frames": 2})
    names = {cell.encoder for cell in made.cells}
    assert names == set(ENCODERS.names()) - {"googlenet"}
    assert [check_cell(made, cell) for cell in made.cells] == [""] * len(made.cells)
    made = expanded(encoders=["googlenet"], fusions="all", pictures={"size_px": 8})
    assert "15 px or more" in check_cell(made, made.cells[0])  # what is named is not left out in silence
    seen = {"vision": {"image": "faces"}, "text": {"image": "faces"}}
    made = expanded(
        encoders=["resnet18"], fusions=["replicated", "channel"], modalities=["vision", "text"], inputs=seen
    )
    assert {cell.fusion for cell in made.cells} == {None, "channel"}


SHARED = {"modalities": BOTH, "encoder": "mlp", "fusion": "concat", "sharing": "shared"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (SHARED, "differ in their numbers of columns: 'mfcc' 40, 'faces512' 512; choose features with as many"),
        ({"modalities": BOTH, "encoder": "mlp", "sharing": "union"}, "`sharing: union` is one set of weights"),
        ({**SHARED, "inputs": {"vision": "mfcc"}}, ""),
        ({**SHARED, "sharing": "separate"}, ""),
        ({**SHARED, "encoder": "resnet18"}, ""),
        ({**SHARED, "inputs": {"vision": "bert"}}, ""),  # its model is not here: the job will see
    ],
)
def test_shared_weights_read_as_many_columns(
    cell: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    config = Config(
        corpora={"synthetic": {"root": "media", "shards": 1}},
        features={
            **{
                name: {"extractor": name}
                for name in ("audio", "mfcc", "mel", "mel_image", "faces", "transcript", "bert")
            },
            "faces512": {"extractor": "facenet", "options": {"weights": "random"}},
        },
        experiments=("x",),
    )
    inputs = {
        "audio": {"sequence": "mfcc", "image": "mel_image"},
        "vision": {"sequence": "faces512", "image": "faces"},
    }
    resolved = Resolved(config, {"x": experiment(cells=(cell,), inputs=inputs)}, {}, {})
    if not said:
        return check_names(resolved, features_of(config))
    with pytest.raises(ConfigError) as error:
        check_names(resolved, features_of(config))
    assert said in str(error.value)
    return None


def test_names_in_modality_dropout_are_modalities() -> None:
    cells = (
        {"modalities": ["audio"], "encoder": "simple3d"},
        {"modalities": BOTH, "encoder": "simple3d", "fusion": "concat"},
    )

    def said(rates: Any, *changed: dict[str, Any]) -> list[str]:
        asked = experiment(cells=changed or cells, train={"modality_dropout": rates})
        return [check_cell(asked, cell) for cell in asked.cells]

    assert said(0.3) == said({"vision": 0.3}) == ["", ""]  # of the sound alone nothing is taken
    message = "`modality_dropout` names text, and the modalities are audio, vision; leave it out"
    assert said({"text": 0.3, "audio": 0.1}) == [message, message]
    own = ({**cells[0], "train": {"modality_dropout": {"vision": 0.3}}}, cells[1])
    assert said(0.0, *own) == ["`modality_dropout` names vision, and the modalities are audio; leave it out", ""]
    swept = ({**cells[0], "grid": {"train.learning_rate": [0.1, 0.2]}}, cells[1])
    assert said({"vision": 0.3}, *swept) == ["", ""]
    swept = ({**cells[1], "grid": {"train.modality_dropout.text": [0.1, 0.2]}},)
    assert "names text" in said({"vision": 0.3}, *swept)[0]
