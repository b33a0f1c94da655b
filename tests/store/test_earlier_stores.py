"""Bytes, digests and keys are those of the first stores: renamed attributes keep their names on disk.

If a test here fails, stores that exist would be extracted again, or could not be read. The values were recorded from
the code that called `granularity`, `allow_nan` and `columns` of extractors `per`, `gaps` and `fields`.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectstore.config.main import Config
from affectstore.features.keys import clip_keys, features_of
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

TEXT = np.dtypes.StringDType()
SPECS = {
    "words": (
        ArraySpec("values", "str", ("word",), codec="utf8"),
        ArraySpec("times", "float64", ("word",), unit="s", allow_nan=True),
        ArraySpec("cls", "float16", ("clip", "feature"), (3,), granularity="clip"),
    ),
    "lld": (ArraySpec("values", "float32", ("frame", "descriptor"), (2,), unit="dB", columns=("f0", "loudness")),),
}
CLIPS = {
    "words": ClipArrays(
        {
            "values": np.array(["don't", "go"], TEXT),
            "times": np.array([0.5, np.nan]),
            "cls": np.ones((1, 3), np.float16),
        }
    ),
    "lld": ClipArrays({"values": np.arange(6, dtype="f4").reshape(3, 2)}, Grid(Fraction(1, 100), Fraction(100))),
}
DIGESTS = {
    "audio": "b142791eba1e",
    "frames": "7b477b06d0bb",
    "mel": "33ff4a2f81ef",
    "mel_image": "e451bd445361",
    "mel_chunks": "c6e9d9c2185d",
    "lld": "1af3b270590a",
    "functionals": "86b88fdce5fe",
    "mfcc": "7bebaa5ef0ab",
    "frame_pairs": "0a068335a12a",
    "transcript": "b9bd4f09d7f6",
}
KEYS = {"audio": "758796b14bdc", "mel": "fe2d0af4e42c", "transcript": "6b9fbe68d852"}


def tree_sha256(folder: Path) -> str:
    """Hash names and contents of all files, lock files excepted."""
    sha256 = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            sha256.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return sha256.hexdigest()


def write(feature_dir: Path, name: str, container: str) -> str:
    """Publish one clip and one failure; the name of the data folder, which holds the content's digest."""
    with ShardWriter(feature_dir, "0", "ab" * 32, SPECS[name], {"options": {"step_ms": 10}}, container) as writer:
        writer.append("a", "key-a", CLIPS[name])
        writer.fail("b", "key-b", "failed", "no audio")
        ledger = writer.finish()
    commit(feature_dir, ["0"], {"options": {"step_ms": 10}})
    return ledger.data


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("words", "66b6c415951ce68a120e541a70c4b20ba0770f69065f99fdb527c24d21960a8b"),
        ("lld", "a2f21d782db3cc4b208ace45177074a1721cd21864978f17447b80c9f4e507c5"),
    ],
)
def test_every_byte_of_a_zarr_feature_is_as_before(tmp_path: Path, name: str, sha256: str) -> None:
    write(tmp_path / name, name, "zarr")
    assert tree_sha256(tmp_path / name) == sha256


@pytest.mark.parametrize(("name", "data"), [("words", "shards/0-269f85d3ceda"), ("lld", "shards/0-a7f93df6b1d4")])
def test_content_digests_of_hdf5_are_as_before(tmp_path: Path, name: str, data: str) -> None:
    assert write(tmp_path / name, name, "hdf5") == data


def test_earlier_attributes_are_read() -> None:
    written = json.loads(
        '{"name": "cls", "dtype": "float16", "dims": ["clip", "feature"], "shape": [3], "codec": "none", "unit": "1", '
        '"per": "clip", "gaps": true}'
    )
    spec = ArraySpec.from_json(written)
    assert (spec.granularity, spec.allow_nan) == ("clip", True)
    assert spec.to_json() == written


def test_feature_digests_and_clip_keys_are_as_before() -> None:
    config = Config(corpora={}, features={name: {"extractor": name} for name in DIGESTS}, experiments=())
    features = features_of(config)
    assert {name: feature.digest[:12] for name, feature in features.items()} == DIGESTS
    media = ("audio_sha256", "audio_start_s", "audio_end_s", "video_sha256", "video_start_s", "video_end_s")
    plan = pd.DataFrame({name: [f"{name} of a clip"] for name in (*media, "words_sha256", "text", "face_side")})
    keys: dict[str, list[str]] = {}
    for name, feature in features.items():
        keys[name] = clip_keys(plan, feature, {need: keys[source] for need, source in feature.upstream.items()})
    assert {name: keys[name][0][:12] for name in KEYS} == KEYS
