"""Presets of the studies: their options, and the features that they add to a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from affectstore.config.main import Config
from affectstore.config.resolve import load_resolved, read_config, read_presets
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.features.base import EXTRACTORS
from affectstore.features.keys import features_of

NAMES = sorted(path.stem for path in (Path(__file__).parents[2] / "workflow" / "presets").glob("*.yaml"))
WRITTEN = {"seed-000", "seed-001-2d", "seed-001-3d", "seed-002", "seed-003", "seed-004"}


def instances(name: str) -> dict[str, Any]:
    """Build the feature instances of one preset; instances with missing weights are replaced by the reason."""
    features = features_of(Config(corpora={}, features=read_presets()[name].instances(name), experiments=()))
    return {**features, **features.unusable}


def options(name: str, instance: str) -> dict[str, Any]:
    """Return all options of an instance of a preset."""
    settings = read_presets()[name].features[instance]
    return EXTRACTORS.load(settings.extractor).Options(**settings.options).model_dump()


def test_every_study_has_its_preset():
    assert set(NAMES) >= WRITTEN
    assert {name.removesuffix("-code") for name in NAMES} == WRITTEN


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_stands_alone(name: str):
    found = instances(name)
    assert set(found) == {f"{name}.{instance}" for instance in read_presets()[name].features}
    for feature in found.values():
        if not isinstance(feature, str):
            assert all(source.startswith(f"{name}.") for source in feature.upstream.values())
        else:
            assert "weights" in feature or "model" in feature


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-code")])
def test_as_coded_differs_from_as_written(name: str):
    assert read_presets()[name].features != read_presets()[name.removesuffix("-code")].features


def test_options_are_those_of_the_studies():
    for name in ("seed-000", "seed-001-2d", "seed-001-3d"):
        mel = options(name, "mel")
        assert (mel["sample_rate_hz"], mel["n_fft"], mel["hop_length"], mel["n_mels"]) == (22050, 2048, 512, 128)
    assert options("seed-001-2d", "faces")["image_px"] == 224
    coded = options("seed-001-2d-code", "faces")
    assert (coded["image_px"], coded["colour"], coded["at"], coded["size_px"]) == (None, "bgr", "middle", 224)
    assert options("seed-001-3d-code", "frames")["leave_out"] == 5
    lld = options("seed-002", "lld")
    assert (lld["deltas"], lld["window_ms"], lld["step_ms"]) == (True, 32, 16)
    assert options("seed-002", "faces")["at"] == "all"
    assert options("seed-002", "vggface")["scaling"] == "symmetric"
    lld = options("seed-003", "lld")
    assert (lld["deltas"], lld["step_ms"]) == (False, 10)
    assert options("seed-003", "bert")["rows"] == "words"
    assert options("seed-003-code", "bert")["rows"] == "wordpieces"
    mfcc = options("seed-004", "mfcc")
    assert (mfcc["n_mfcc"], mfcc["resampling"], mfcc["average"]) == (40, "kaiser_best", False)
    assert options("seed-004", "frame_pairs")["every_s"] == 0.5


def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **config: Any) -> None:
    """A working folder with its own config.yaml and no experiments."""
    (tmp_path / "workflow" / "experiments").mkdir(parents=True)
    written = {"corpora": {}, "features": {"audio": {"extractor": "audio"}}, "experiments": [], **config}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    monkeypatch.chdir(tmp_path)


def test_a_configuration_takes_presets_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path, monkeypatch, presets=["seed-001-3d", "seed-004"])
    resolved = read_config()
    features = features_of(resolved.config)
    assert features["seed-001-3d.mel_chunks_mae"].upstream == {
        "mel": "seed-001-3d.mel",
        "frames": "seed-001-3d.frames_mae",
    }
    assert features["audio"].digest == features["seed-004.audio"].digest
    resolved.path.parent.mkdir(parents=True)
    resolved.path.write_text(resolved.text)
    again = features_of(load_resolved(resolved.path).config)
    assert {name: feature.digest for name, feature in again.items()} == {n: f.digest for n, f in features.items()}


def test_an_unknown_preset_lists_the_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path, monkeypatch, presets=["seed-02"])
    with pytest.raises(UnknownNameError, match=r"unknown preset.*'seed-02'; known: .*seed-004.*Did you mean"):
        read_config()


def test_a_feature_without_its_weights_stops_only_what_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    project(tmp_path, monkeypatch, presets=["seed-002"])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    features = features_of(read_config().config)
    assert "seed-002.lld" in features
    assert "seed-002.vggface" not in features
    with pytest.raises(ConfigError, match=r"features\.seed-002\.vggface cannot be computed here: .*vgg_face_dag\.pth"):
        features["seed-002.vggface"]
