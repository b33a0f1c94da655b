"""An invalid configuration stops before any job, with the key, the value and the known names."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import tiny_project

from affectstore.config.resolve import load_resolved, read_config
from affectstore.errors import ConfigError, CorpusError
from affectstore.features.keys import features_of
from affectstore.preflight.validate import check_config

BLSTM: dict[str, Any] = {"modalities": ["audio"], "encoder": "blstm", "inputs": {"audio": "mel"}}


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], experiment: dict[str, Any]) -> None:
    monkeypatch.chdir(tiny_project.make_project(folder / "project", config, experiment))
    resolved = read_config()
    check_config(resolved, features_of(resolved.config))


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(base)
    *parents, last = path.split("/")
    part: Any = result
    for parent in parents:
        part = part[int(parent)] if isinstance(part, list) else part[parent]
    part[int(last) if isinstance(part, list) else last] = value
    return result


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("corpora/synthetic/shard", 3, ["corpora.synthetic.shard", "unknown key", "shards"]),
        ("corpora/synthetic/shards", 0, ["corpora.synthetic.shards", "0"]),
        ("corpora/synthetic/options", {"clip": 3}, ["clip", "clips"]),
        ("corpora/nowhere", {"root": "x", "shards": 1}, ["nowhere", "crema-d", "synthetic"]),
        ("features/mel", {"extractor": "mell"}, ["mell", "mel"]),
        ("features/mel", {"extractor": "mel", "options": {"n_mel": 3}}, ["n_mel", "n_mels"]),
        ("features/mel", {"extractor": "mel", "options": {"n_mels": -1}}, ["n_mels", "-1"]),
        ("features/mel_image", {"extractor": "mel_image", "inputs": {"mel": "frames"}}, ["frames", "mel"]),
        ("features/mel_image", {"extractor": "mel_image", "inputs": {"sound": "mel"}}, ["sound", "mel"]),
        ("experiments", ["tiny", "huge"], ["huge", "tiny"]),
        ("store", {"format": "parquet"}, ["store.format", "parquet", "zarr"]),
    ],
)
def test_config_yaml(path: str, value: Any, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as error:
        check(tmp_path, monkeypatch, changed(tiny_project.CONFIG, path, value), tiny_project.EXPERIMENT)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("corpus", "cremad", ["cremad", "synthetic"]),
        ("protocol", "speaker_dependent", ["speaker_dependent", "speaker_independent"]),
        ("protocol", "sound", ["unknown protocol 'sound'", "it is now called 'speaker_independent'"]),
        (
            "cells/0",
            BLSTM | {"encoder_options": {"hidden": 8}},
            ["unknown key 'hidden': it is now called 'hidden_dim'"],
        ),
        ("cells/0", BLSTM | {"grid": {"encoder_options.hidden": [8]}}, ["'hidden': it is now called 'hidden_dim'"]),
        ("classes", ["ANG", "JOY"], ["JOY", "HAP"]),
        ("seeds", 0, ["seeds", "0"]),
        ("cells/0/encoder", "resnet19", ["resnet19", "resnet18"]),
        ("cells/0/fusion", "channel", ["channel", "one modality"]),
        ("cells/0/modalities", ["audio", "vision"], ["fusion"]),
        ("cells/0/modalities", ["smell"], ["smell"]),
        ("cells/1/name", "audio-net", ["audio-net", "name"]),
        ("train/epoch", 3, ["epoch", "epochs"]),
        ("inputs", {"audio": {"clip": "melchunks"}, "vision": {"clip": "frames"}}, ["melchunks", "mel_chunks"]),
    ],
)
def test_experiment(path: str, value: Any, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as error:
        check(tmp_path, monkeypatch, tiny_project.CONFIG, changed(tiny_project.EXPERIMENT, path, value))
    for word in words:
        assert word in str(error.value)


def test_a_key_given_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_project.make_project(tmp_path / "project")
    (folder / "config.yaml").write_text(yaml.safe_dump(tiny_project.CONFIG) + "\nexperiments: []\n")
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"line \d+.*'experiments' is given twice"):
        read_config()


def test_environment_variables_stand_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = changed(tiny_project.CONFIG, "corpora/synthetic/root", "${SOME_FOLDER}/media")
    monkeypatch.chdir(tiny_project.make_project(tmp_path / "project", config))
    monkeypatch.setenv("SOME_FOLDER", "/data")
    assert read_config().root("synthetic") == Path("/data/media")
    monkeypatch.delenv("SOME_FOLDER")
    with pytest.raises(CorpusError, match="SOME_FOLDER, which is not set"):
        read_config().root("synthetic")


def test_resolved_configuration_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_project.make_project(tmp_path / "project"))
    resolved = read_config()
    resolved.path.parent.mkdir(parents=True)
    resolved.path.write_text(resolved.text)
    assert load_resolved(resolved.path) == resolved


def test_order_of_keys_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_project.make_project(tmp_path / "one"))
    one = read_config()
    config = {key: tiny_project.CONFIG[key] for key in reversed(tiny_project.CONFIG)}
    config["features"] = dict(reversed(config["features"].items()))
    monkeypatch.chdir(tiny_project.make_project(tmp_path / "two", config))
    two = read_config()
    assert one.path == two.path
    assert {n: f.digest for n, f in features_of(one.config).items()} == {
        n: f.digest for n, f in features_of(two.config).items()
    }
