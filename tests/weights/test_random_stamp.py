"""Marks of random weights on everything computed from them: features, listings, trainings, tables."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from affectstore.cli.main import main
from affectstore.config.main import Config
from affectstore.features.extract import provenance
from affectstore.features.keys import features_of
from affectstore.features.video import faces as faces_module
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid
from affectstore.weights.random import RANDOM_DIGEST


def config() -> Config:
    features = {
        "faces": {"extractor": "faces"},
        "vgg": {"extractor": "vggface", "options": {"weights": "random"}},
        "mel": {"extractor": "mel"},
        "audio": {"extractor": "audio"},
    }
    return Config.model_validate({"corpora": {}, "features": features, "experiments": []})


def publish_feature(root: Path, name: str, attributes: dict) -> None:
    spec = ArraySpec("values", "float32", ("frame", "feature"), (2,))
    with ShardWriter(root / name, "000", "ab" * 32, (spec,), attributes) as writer:
        writer.append(
            "c", "cd" * 32, ClipArrays({"values": np.ones((3, 2), np.float32)}, Grid(Fraction(0), Fraction(1)))
        )
        writer.finish()
    commit(root / name, ["000"], attributes)


def test_the_feature_and_what_is_computed_from_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_of(config())
    stamps = {name: provenance(feature)["random_weights"] for name, feature in features.items()}
    assert stamps == {"faces": [], "vgg": ["vgg"], "audio": [], "mel": []}
    written = provenance(features["vgg"])
    assert (written["weights"], written["options"]["weights"]) == (RANDOM_DIGEST, "random")
    monkeypatch.setattr(faces_module.Extractor, "weights_digest", lambda _: RANDOM_DIGEST)
    features = features_of(config())
    assert provenance(features["vgg"])["random_weights"] == ["faces", "vgg"]


def test_random_weights_are_part_of_the_feature_digest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = features_of(config())["vgg"].digest
    assert features_of(config())["vgg"].digest == before
    from affectstore.features.video import _face_vectors

    monkeypatch.setattr(_face_vectors, "RANDOM_DIGEST", "random:1")
    assert features_of(config())["vgg"].digest != before


def test_ls_and_show_say_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = folder.parent / "results" / "store" / "synthetic"
    publish_feature(corpus, "faces", {"weights": "12" * 32, "random_weights": []})
    publish_feature(corpus, "vgg", {"weights": RANDOM_DIGEST, "random_weights": ["vgg"]})
    publish_feature(corpus, "pooled", {"weights": None, "random_weights": ["vgg"]})
    publish_feature(corpus, "older", {})
    assert main(["ls"]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["feature"].endswith("digest        weights")
    assert lines["vgg"].endswith("random weights: vgg")
    assert lines["pooled"].endswith("random weights: vgg")
    assert lines["faces"].endswith("121212121212")
    assert lines["older"].endswith("abababababab")
    assert main(["show", "synthetic/vgg"]) == 0
    out = capsys.readouterr().out
    assert 'weights: "random:0"' in out
    assert 'random_weights: ["vgg"]' in out
