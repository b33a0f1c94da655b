"""Configurations of 0.1.0 are led to the names of today: a line for each former name, and no traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from affectstore.cli.main import main

CONFIG = """
corpora:
  synthetic: {root: "${NOT_HERE}/synthetic", shards: 2, options: {clips: 96, seed: 0}}
  crema-d: {root: "${NOT_HERE}/crema-d", shards: 16}
features:
  audio: {extractor: audio}
  faces: {extractor: faces}
  mel: {extractor: mel}
  mel_image: {extractor: mel_image}
  lld: {extractor: lld}
  functionals: {extractor: functionals}
  faces_small: {extractor: faces, options: {at: 6, size_px: 32, colour: grey, detect_every: 2}}
presets: []
store:
  format: zarr
experiments: []
"""

QUICKSTART = """
title: Quickstart - drawn faces that speak, two speakers that were never seen in training
corpus: synthetic
protocol: sound
folds: [0]
seeds: 3
inputs:
  audio: {image: mel_image, sequence: lld}
  vision: {image: faces, sequence: faces_small}
pictures: {size_px: 48, colour: grey}
sequences: {pool: {audio: 10}}
train: {learning_rate: 1.0e-3, batch_size: 16, epochs: 12, monitor: uar}
encoder_settings:
  resnet18: {train: {epochs: 6}}
  blstm: {train: {learning_rate: 3.0e-3}, encoder_options: {hidden: 32, layers: 1}}
  transformer: {encoder_options: {width: 64, layers: 2, hidden: 128}}
encoders: [image_cnn, audio_cnn, blstm, transformer, mlp]
fusions: [channel, horizontal, concat, film, gmu, lmf, mean]
cells:
  - {modalities: [audio], encoder: resnet18}
  - {modalities: [audio, vision], encoder: resnet18, fusion: channel}
  - {modalities: [audio, vision], baseline: linear_svm}
"""

LADDER = """
title: CREMA-D, 273 clips of three emotions, ladder network and baselines (small transformers, raw faces)
corpus: crema-d
select: {sentence: [IEO], level: [HI]}
classes: [ANG, HAP, SAD]
protocol: sound
folds: [0]
seeds: 3
inputs: {audio: {sequence: lld}, vision: {sequence: faces_small}}
sequences: {pool: 4, most_steps: 96}
train: {learning_rate: 5.0e-4, batch_size: 16, epochs: 15, patience: 6, clip_gradient: 0.8}
encoder_settings:
  transformer: {encoder_options: {width: 64, layers: 2, heads: 4, hidden: 128}}
cells:
  - {modalities: [audio], encoder: transformer}
  - {modalities: [audio, vision], encoder: transformer, fusion: concat}
  - {modalities: [audio, vision], encoder: transformer, fusion: ladder, fusion_options: {skips: own}, name: ladder-own}
  - {modalities: [audio], baseline: linear_svm, inputs: {audio: functionals}}
"""

#: Former name and name of today, in the order in which they are reported.
QUICKSTART_NAMES = [
    ("pictures", "images"),
    ("grey", "grayscale"),
    ("size_px", "image_px"),
    ("grey", "grayscale"),  # of a feature in config.yaml
    ("sound", "speaker_independent"),
    ("hidden", "hidden_dim"),
    ("width", "dim"),
    ("hidden", "ffn_dim"),
]
LADDER_NAMES = [
    ("most_steps", "max_steps"),
    ("clip_gradient", "max_grad_norm"),
    ("grey", "grayscale"),  # of a feature in config.yaml
    ("sound", "speaker_independent"),
    ("width", "dim"),
    ("hidden", "ffn_dim"),
]
_LINE = re.compile(r"unknown \w+ '(\w+)'(?: in [\w.]+)?: it is now called '(\w+)'")


@pytest.mark.parametrize(
    ("text", "names"), [(QUICKSTART, QUICKSTART_NAMES), (LADDER, LADDER_NAMES)], ids=["quickstart", "crema-d-ladder"]
)
def test_following_the_messages_leads_to_a_valid_file(
    text: str,
    names: list[tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFFECTSTORE_RUN", "")  # restored at the end: planning names its run here
    monkeypatch.delenv("NOT_HERE", raising=False)
    (tmp_path / "config.yaml").write_text(CONFIG)
    experiment = tmp_path / "workflow" / "experiments" / "former.yaml"
    experiment.parent.mkdir(parents=True)
    experiment.write_text(text)
    reported: list[tuple[str, str]] = []
    while True:
        assert main(["run", "-n", "former"]) == 1
        message = capsys.readouterr().err
        found = _LINE.findall(message)
        if not found:
            break
        assert len(found) == len(set(found)), "a line for each name, however many cells it concerns"
        assert all(_LINE.search(line) or line.endswith(":") for line in message.splitlines())
        in_config = "features.faces_small.options" in message.splitlines()[0]
        assert in_config or "former.yaml" in message.splitlines()[0]
        changed = tmp_path / "config.yaml" if in_config else experiment
        for old, new in found:
            changed.write_text(re.sub(rf"\b{old}\b", new, changed.read_text(), count=1))
        reported += found
    assert reported == names
    assert "needs the environment variable NOT_HERE" in message, "every name is known; what is missing is the corpus"
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        (["run", "--accept-gaps"], "--allow-incomplete"),
        (["run", "-n", "quickstart", "--accept-gaps"], "--allow-incomplete"),
        (["matrix", "--picture", "matrix.svg"], "--figure"),
        (["matrix", "--picture"], "--figure"),
    ],
)
def test_former_options_name_their_replacement(
    arguments: list[str], new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    old = next(argument for argument in arguments if argument.startswith("--"))
    printed = capsys.readouterr()
    assert printed.err == f"affectstore {arguments[0]}: unknown option {old!r}: it is now called {new!r}\n"
    assert printed.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["run", "matrix"])
def test_help_shows_no_former_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    printed = capsys.readouterr().out
    assert "--accept-gaps" not in printed
    assert "--picture" not in printed
