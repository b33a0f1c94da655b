"""FaceNet against facenet-pytorch, with files of the right names and shapes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.small_weights import empty_places, publish, small_state

from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.features.base import EXTRACTORS, BaseExtractor, Clip, Media, build
from affectstore.store.clip_arrays import ClipArrays
from affectstore.timeline import Grid
from affectstore.weights.random import random_state

FILES = {
    "vggface2": ("20180402-114759-vggface2.pt", 8631),
    "casia-webface": ("20180408-102900-casia-webface.pt", 10575),
}

#: Integers that follow from the place alone, the colours different.
PLANES = (np.mgrid[:160, :160].sum(axis=0)[..., None] * np.array([1, 2, 3]) % 251).astype(np.uint8)[None]


def network(people: int) -> Any:
    from facenet_pytorch import InceptionResnetV1

    return InceptionResnetV1(pretrained=None, classify=True, num_classes=people)


def lively_state(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Create weights that preserve differences between two images, with a different batch norm in each layer."""
    rng = np.random.default_rng(1)
    spread = {"running_mean": (-0.2, 0.2), "running_var": (0.5, 2), "weight": (0.8, 1.2), "bias": (-0.2, 0.2)}
    state = random_state(shapes)
    for name, value in state.items():
        if value.ndim == 1:
            state[name] = rng.uniform(*spread[name.rpartition(".")[2]], value.shape).astype(np.float32)
    return {name: torch.from_numpy(value) for name, value in state.items()}


def run(extractor: BaseExtractor, images: np.ndarray, grid: Grid | None = None) -> ClipArrays:
    faces = ClipArrays({"values": images, "times": np.arange(len(images)) / 24}, grid)
    return extractor.extract(Clip("clip", Media(), {"faces": faces}))


def random_images(count: int, size: int = 160) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, size, size, 3), dtype=np.uint8)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = empty_places(monkeypatch, tmp_path)
    yield folder
    for path in folder.iterdir():  # a hundred megabytes each
        path.unlink()


@pytest.mark.parametrize("corpus", FILES)
def test_embeddings_are_facenet_pytorchs(corpus: str, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facenet_pytorch import fixed_image_standardization

    name, people = FILES[corpus]
    reference = network(people)
    state = lively_state({key: tuple(value.shape) for key, value in reference.state_dict().items()})
    torch.save(state, places / name, _use_new_zipfile_serialization=False)
    publish(monkeypatch, name, sha256=digest_file(places / name))
    extractor = build("facenet", {"weights": corpus})
    assert extractor.weights_digest() == digest_file(places / name)

    images = random_images(2, size=224)
    given = run(extractor, images).arrays["values"]
    reference.load_state_dict(state)
    reference.eval()
    reference.classify = False
    small = np.stack([np.asarray(Image.fromarray(p).resize((160, 160), Image.Resampling.BILINEAR)) for p in images])
    with torch.inference_mode():
        expected = reference(fixed_image_standardization(torch.from_numpy(small).permute(0, 3, 1, 2).float())).numpy()
    assert given.dtype == np.float16
    np.testing.assert_allclose(given, expected, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(given.astype(float), axis=1), 1, atol=2e-3)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3


def test_a_file_that_is_not_the_published_one_is_refused(places: Path) -> None:
    torch.save({}, places / FILES["vggface2"][0])
    with pytest.raises(ConfigError, match="is not the published file"):
        build("facenet").weights_digest()
    with pytest.raises(ConfigError, match="is not the published file"):
        run(build("facenet"), random_images(1))


def test_the_other_corpus_file_is_refused(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = FILES["vggface2"][0]
    shapes = {key: tuple(value.shape) for key, value in network(10575).state_dict().items()}
    torch.save(small_state(shapes), places / name)
    publish(monkeypatch, name, sha256=None)
    with pytest.raises(ConfigError, match=r"logits\.weight is \(10575, 512\), needs \(8631, 512\)"):
        run(build("facenet"), random_images(1))


def test_a_missing_file_is_said(places: Path) -> None:
    with pytest.raises(ConfigError, match=r"facenet needs the weights 20180402-114759-vggface2.pt .* were not found"):
        build("facenet").weights_digest()


def test_random_weights_every_fourth_face(places: Path) -> None:
    extractor = build("facenet", {"weights": "random", "every": 4})
    assert extractor.weights_digest() == "random:0"
    images = random_images(9)
    given = run(extractor, images, Grid(Fraction(0), Fraction(25)))
    assert given.grid == Grid(Fraction(0), Fraction(25, 4))
    assert given.rows == 3
    np.testing.assert_array_equal(given.arrays["times"], [0, 4 / 24, 8 / 24])
    again = run(build("facenet", {"weights": "random"}), images[::4])
    np.testing.assert_array_equal(given.arrays["values"], again.arrays["values"])
    values = run(extractor, PLANES).arrays["values"]
    # Where this fails, the output has changed: bump SPEC.version, and record the new values with it.
    assert EXTRACTORS.load("facenet").SPEC.version == 1
    np.testing.assert_allclose(
        values[0, :8].astype(float), [-0.0076, 0.0237, -0.0743, -0.0454, 0.0425, 0.0109, 0.0778, -0.0214], atol=1e-3
    )
    assert [spec.shape for spec in extractor.arrays()] == [(512,), ()]
