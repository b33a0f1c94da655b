"""Cells that would fail in their training job are refused before any job, and `all` makes none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_networks import small

from affectstore.config.experiment import Experiment
from affectstore.config.main import Config
from affectstore.config.resolve import Resolved
from affectstore.errors import ConfigError
from affectstore.features.keys import features_of
from affectstore.models.cells.expand import expand
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.cells.validate import cell_problem
from affectstore.models.fusions.ablation_trained import AblationTrained, Options
from affectstore.models.network import Network
from affectstore.models.spec import ENCODERS, ClipShape, ImageShape
from affectstore.preflight.validate import check_config

BOTH = ["audio", "vision"]
WORDS = ["audio", "text"]
OF_IMAGES = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.input_kind != "sequence"]


def reason(cell: dict[str, Any], **changes: Any) -> str | None:
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell,), **changes)
    return cell_problem(experiment, experiment.cells[0])


def expanded(**settings: Any) -> Experiment:
    resolved = Resolved(Config(corpora={}, features={}, experiments=()), {"x": experiment(**settings)}, {}, {})
    return expand(resolved).experiments["x"]


def experiment(**settings: Any) -> Experiment:
    return Experiment(title="t", corpus="synthetic", **settings)


def shapes(kind: str, image_px: int) -> list[ImageShape]:
    """Small inputs of two channels."""
    size = {"channels": 2, "height_px": image_px, "width_px": image_px}
    return [ImageShape(**size)] if kind == "image" else [ClipShape(**size, frames=frames) for frames in (1, 2, 9)]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_an_image_encoder_reads_every_shape_that_it_does_not_refuse(name: str) -> None:
    declared = ENCODERS.load(name)
    options = declared.Options(**small(name))
    for image_px in (8, 14, 15, 17):
        for shape in shapes(declared.SPEC.input_kind, image_px):
            if options.problem(shape):
                assert image_px < 15
                assert name == "googlenet"
                continue
            with torch.device("meta"):
                encoder = declared.build(shape, options)
                mask = torch.ones(2, shape.frames if isinstance(shape, ClipShape) else 1, dtype=torch.bool)
                vector = encoder(torch.zeros(2, *shape.size), mask).vector
            assert vector.shape == (2, encoder.output_dim)


LADDER = {"modalities": BOTH, "encoder": "transformer", "fusion": "ladder"}


@pytest.mark.parametrize(
    ("cell", "changes", "message"),
    [
        (
            {"modalities": ["vision"], "encoder": "googlenet"},
            {"images": {"image_px": 14}},
            "15 px or more each way, not 14x14",
        ),
        (
            {"modalities": BOTH, "encoder": "googlenet", "fusion": "vertical"},
            {"images": {"image_px": 14}},
            "not 28x14",
        ),
        (
            {"modalities": BOTH, "encoder": {"audio": "mlp", "vision": "googlenet"}, "fusion": "concat"},
            {"encoder_settings": {"mlp+googlenet": {"images": {"image_px": 10}}}},
            "not 10x10",
        ),
        (
            {**LADDER, "encoder_options": {"layers": 2}, "fusion_options": {"depth": 4}},
            {},
            "cannot restore 4 layers (`depth`), since the encoders have: audio 3, vision 3",
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
            "tiles the image of audio; the modalities are vision, text",
        ),
        (
            {
                "modalities": BOTH,
                "encoder": "simple3d",
                "fusion": "joint_loss",
                "fusion_options": {"audio": 0, "vision": 0, "regulariser": 1},
            },
            {},
            "has `audio: 0`, `vision: 0`, so no label trains the classifier",
        ),
    ],
)
def test_cells_that_cannot_be_trained_are_refused_before_any_job(
    cell: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    assert message in str(reason(cell, **changes))


def test_cells_that_can_be_trained_are_not_refused() -> None:
    assert reason({"modalities": ["vision"], "encoder": "googlenet"}, images={"image_px": 15}) is None
    assert reason({**LADDER, "encoder_options": {"layers": 2}, "fusion_options": {"depth": 3}}) is None
    alone = {"audio": 0, "similarity": 0.1}  # the audio of document 004 that learns from images
    assert reason({"modalities": BOTH, "encoder": "simple3d", "fusion": "joint_loss", "fusion_options": alone}) is None


@pytest.mark.parametrize("modalities", [BOTH, WORDS, ["text", "vision", "audio"]])
def test_gaps_are_in_vision_where_there_is_any(modalities: list[str]) -> None:
    ablated = "vision" if "vision" in modalities else "text"
    cell = {"modalities": modalities, "encoder": "transformer", "fusion": "ablation_trained"}
    assert reason(cell) is None
    values = {m: torch.ones(3, 4, 2) for m in modalities}
    masks = {m: torch.ones(3, 4, dtype=torch.bool) for m in modalities}

    def masked(options: Options) -> list[str]:
        """Modalities that are set to zero."""
        given = AblationTrained(dict.fromkeys(modalities, 2), 3, options).mask_inputs(values, masks)
        return [m for m in modalities if not given[m].any()]

    assert masked(Options(clip_rate=1.0)) == [ablated]
    assert masked(Options(clip_rate=1.0, ablated="audio")) == ["audio"]


def test_all_of_audio_and_words_is_valid_and_its_networks_can_be_built() -> None:
    made = expanded(encoders="all", fusions="all", modalities=WORDS)
    assert {cell.fusion for cell in made.cells} >= {"ablation_trained", "ladder", "word_gmu", "joint_loss"}
    assert [cell_problem(made, cell) for cell in made.cells] == [None] * len(made.cells)
    for cell in made.cells:
        if cell.encoder == "transformer":
            with torch.device("meta"):
                Network(recipe_for(made, cell, ("a", "b"), {"lld": 65, "bert": 768}))


def test_all_encoders_are_those_that_read_such_images() -> None:
    made = expanded(encoders="all", fusions="all", images={"image_px": 8, "frames": 2})
    names = {cell.encoder for cell in made.cells}
    assert names == set(ENCODERS.names()) - {"googlenet"}
    assert [cell_problem(made, cell) for cell in made.cells] == [None] * len(made.cells)
    made = expanded(encoders=["googlenet"], fusions="all", images={"image_px": 8})
    assert "15 px or more" in str(cell_problem(made, made.cells[0]))  # an encoder that is named is kept
    images = {"vision": {"image": "faces"}, "text": {"image": "faces"}}
    made = expanded(
        encoders=["resnet18"], fusions=["replicated", "channel"], modalities=["vision", "text"], inputs=images
    )
    assert {cell.fusion for cell in made.cells} == {None, "channel"}


SHARED = {"modalities": BOTH, "encoder": "mlp", "fusion": "concat", "sharing": "shared"}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (SHARED, "differ in dimension: 'mfcc' 40, 'faces512' 512; choose features of the same dimension"),
        (
            {"modalities": BOTH, "encoder": "mlp", "sharing": "modality_agnostic"},
            "`sharing: modality_agnostic` is one set of weights",
        ),
        ({**SHARED, "inputs": {"vision": "mfcc"}}, ""),
        ({**SHARED, "sharing": "separate"}, ""),
        ({**SHARED, "encoder": "resnet18"}, ""),
        ({**SHARED, "inputs": {"vision": "bert"}}, ""),  # its model is missing, so the job checks it
    ],
)
def test_shared_weights_read_steps_of_one_length(
    cell: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    if not message:
        return check_config(resolved, features_of(config))
    with pytest.raises(ConfigError) as error:
        check_config(resolved, features_of(config))
    assert message in str(error.value)
    return None


def test_names_in_modality_dropout_are_modalities() -> None:
    cells = (
        {"modalities": ["audio"], "encoder": "simple3d"},
        {"modalities": BOTH, "encoder": "simple3d", "fusion": "concat"},
    )

    def dropout(rate: Any) -> dict[str, Any]:
        return {"tricks": {"modality_dropout": {"rate": rate}}}

    def problems(rate: Any, *changed: dict[str, Any]) -> list[str | None]:
        asked = experiment(cells=changed or cells, train=dropout(rate))
        return [cell_problem(asked, cell) for cell in asked.cells]

    assert problems(0.3) == problems({"vision": 0.3}) == [None, None]  # audio alone loses nothing
    message = "trick `modality_dropout` names text, and the modalities are audio, vision; leave it out"
    assert problems({"text": 0.3, "audio": 0.1}) == [message, message]
    own = ({**cells[0], "train": dropout({"vision": 0.3})}, cells[1])
    own_message = "trick `modality_dropout` names vision, and the modalities are audio; leave it out"
    assert problems(0.0, *own) == [own_message, None]
    swept = ({**cells[0], "grid": {"train.learning_rate": [0.1, 0.2]}}, cells[1])
    assert problems({"vision": 0.3}, *swept) == [None, None]
    swept = ({**cells[1], "grid": {"train.tricks.modality_dropout.rate.text": [0.1, 0.2]}},)
    assert "names text" in str(problems({"vision": 0.3}, *swept)[0])
