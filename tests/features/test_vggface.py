"""VGG-Face: every format of its weights against torchvision's network, and refused files."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.small_weights import empty_places, small_state
from support.torch7_file import Instance, write_torch7

from affectstore.errors import ClipError, ConfigError
from affectstore.features.base import EXTRACTORS, BaseExtractor, Clip, Media, build
from affectstore.features.video._vgg_face_network import shapes
from affectstore.store.clip_arrays import ClipArrays
from affectstore.timeline import Grid

FILES = ("vgg_face_dag.pth", "VGG_FACE.t7", "vgg_face_weights.pth")
#: Integers that follow from the place alone, the colours different.
PLANES = (np.mgrid[:224, :224].sum(axis=0)[..., None] * np.array([1, 2, 3]) % 251).astype(np.uint8)[None]
MEAN_RGB = np.array([129.1863, 104.7624, 93.5940], dtype=np.float32)


def faces_of(images: np.ndarray, grid: Grid | None = None) -> ClipArrays:
    """Build the arrays of `faces` that the extractor reads."""
    return ClipArrays({"values": images, "times": np.arange(len(images)) / 24 + 0.5}, grid)


def run(extractor: BaseExtractor, images: np.ndarray, grid: Grid | None = None) -> ClipArrays:
    return extractor.extract(Clip("clip", Media(), {"faces": faces_of(images, grid)}))


def random_images(count: int = 2, size: int = 224, seed: int = 0) -> np.ndarray:
    """Generate images with structure at several scales, red, green and blue different."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (count, 7, 7, 3), dtype=np.uint8)
    large = [Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC) for picture in small]
    return np.stack([np.asarray(picture) for picture in large])


def write(name: str, state: dict[str, torch.Tensor], folder: Path) -> Path:
    """Write a file of this name in its publisher's format."""
    if name == "VGG_FACE.t7":
        return write_torch7(folder / name, torch7_network(state))
    if name == "vgg_face_weights.pth":
        for layer, kernel in {6: (512, 7, 7), 7: (4096, 1, 1), 8: (4096, 1, 1)}.items():
            # unflatten keeps the strides of zero, so that the file stays small
            state = state | {f"fc{layer}.weight": state[f"fc{layer}.weight"].unflatten(1, kernel)}
    torch.save(state, folder / name, _use_new_zipfile_serialization=name != "vgg_face_dag.pth")
    return folder / name


def torch7_network(state: dict[str, torch.Tensor]) -> Instance:
    """Build Torch7's layers in sequence, with those without weights between them; for BGR images."""
    state = state | {"conv1_1.weight": state["conv1_1.weight"].flip(1)}
    modules: list[Instance] = []
    for name in [name.removesuffix(".weight") for name in state if name.endswith(".weight")]:
        fields = {kind: state[f"{name}.{kind}"].numpy() for kind in ("weight", "bias")}
        fields["gradWeight"] = np.zeros(1, np.float32)
        modules.append(Instance("nn.SpatialConvolution" if name.startswith("conv") else "nn.Linear", fields))
        modules.append(Instance("nn.ReLU", {"val": 0, "threshold": 0, "inplace": True, "train": False}))
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            modules.append(Instance("nn.SpatialMaxPooling", {"kW": 2, "kH": 2, "dW": 2, "dH": 2}))
        if name == "conv5_3":
            modules.append(Instance("nn.View", {"numElements": 25088}))
        if name in ("fc6", "fc7"):
            modules.append(Instance("nn.Dropout", {"p": 0.5}))
    return Instance("nn.Sequential", {"modules": dict(enumerate(modules, 1))})


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return small_state(shapes())


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_places(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def reference(state: dict[str, torch.Tensor]) -> Callable[[np.ndarray, str], np.ndarray]:
    """Build torchvision's network with the same weights: scaled RGB (row, 3, y, x) to fc6 or fc7."""
    from torchvision.models import vgg16

    with torch.device("meta"):
        network = vgg16(num_classes=2622)
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)), assign=True)
    network.eval()

    def describe(scaled: np.ndarray, layer: str) -> np.ndarray:
        with torch.inference_mode():
            values = network.features(torch.from_numpy(scaled)).flatten(1)
            return network.classifier[: 2 if layer == "fc6" else 5](values).numpy()

    return describe


def scaled(images: np.ndarray) -> np.ndarray:
    """Scale images as in training."""
    return np.ascontiguousarray((images.astype(np.float32) - MEAN_RGB).transpose(0, 3, 1, 2))


def agrees(given: np.ndarray, expected: np.ndarray) -> None:
    """Compare up to the rounding to float16."""
    assert given.dtype == np.float16
    assert 0.2 < np.mean(expected > 0) < 0.95
    np.testing.assert_allclose(given, expected, rtol=1.5e-3, atol=1e-3 * expected.max())


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_what_torchvisions_network_gives(name: str, places: Path, state, reference) -> None:
    path = write(name, state, places)
    assert path.stat().st_size < 2_000_000  # 580 MB of numbers, most of them repeated
    extractor = build("vggface", {"weights": name})
    images = random_images(1)
    given = run(extractor, images).arrays["values"]
    agrees(given, reference(scaled(images), "fc7"))
    network = extractor._network
    assert sum(parameter.numel() for parameter in network.parameters()) == 145_002_878
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    if name == FILES[0]:
        fc6 = build("vggface", {"weights": name, "layer": "fc6"})
        vars(fc6)["_network"] = network
        agrees(run(fc6, images).arrays["values"], reference(scaled(images), "fc6"))
        symmetric = build("vggface", {"weights": name, "scaling": "symmetric"})
        vars(symmetric)["_network"] = network
        symmetrical = (images.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2).copy()
        agrees(run(symmetric, images).arrays["values"], reference(symmetrical, "fc7"))


def test_the_order_of_the_colours_can_be_chosen(places: Path, state, reference) -> None:
    write("vgg_face_dag.pth", state, places)
    images = random_images(1)
    given = run(build("vggface", {"weights": "vgg_face_dag.pth", "channels": "bgr"}), images).arrays["values"]
    agrees(given, reference(scaled(images)[:, ::-1].copy(), "fc7"))


@pytest.fixture(scope="module")
def random() -> BaseExtractor:
    return build("vggface", {"weights": "random", "every": 3})


def test_random_weights_are_the_same_each_time(random: BaseExtractor) -> None:
    assert random.weights_digest() == "random:0"
    values = run(random, PLANES).arrays["values"]
    assert 0.2 < np.mean(values > 0) < 0.8
    # Where this fails, the output has changed: bump SPEC.version, and record the new values with it.
    assert EXTRACTORS.load("vggface").SPEC.version == 1
    np.testing.assert_allclose(
        values[0, :10].astype(float), [0.0, 426.8, 0.0, 104.2, 0.0, 0.0, 0.0, 0.0, 16.2, 101.8], rtol=5e-3, atol=0.5
    )
    again = run(build("vggface", {"weights": "random"}), PLANES).arrays["values"]
    np.testing.assert_array_equal(values, again)


def test_every_third_face_at_its_time(random: BaseExtractor) -> None:
    images = random_images(8)
    given = run(random, images, Grid(Fraction(1, 7), Fraction(24)))
    assert given.grid == Grid(Fraction(1, 7), Fraction(8))
    assert given.rows == 3
    assert [given.grid.edge(row) for row in range(3)] == [Fraction(1, 7) + Fraction(3 * row, 24) for row in range(3)]
    np.testing.assert_array_equal(given.arrays["times"], faces_of(images).arrays["times"][::3])
    for row in range(3):
        alone = run(random, images[3 * row : 3 * row + 1])
        np.testing.assert_allclose(given.arrays["values"][row], alone.arrays["values"][0], rtol=2e-3, atol=0.1)
        assert alone.grid is None


def test_neither_the_cores_nor_the_clips_before_matter(random: BaseExtractor) -> None:
    images = random_images(4)
    first = run(random, images).arrays["values"]
    run(random, random_images(1, seed=1))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        np.testing.assert_array_equal(run(random, images).arrays["values"], first)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(threads)


def test_batches_are_joined_in_order(random: BaseExtractor, monkeypatch: pytest.MonkeyPatch) -> None:
    from affectstore.features.video import _face_vectors

    images = random_images(9)
    whole = run(random, images).arrays["values"]
    monkeypatch.setattr(_face_vectors, "_BATCH", {"cpu": 2, "cuda": 2})
    np.testing.assert_allclose(run(random, images).arrays["values"], whole, rtol=2e-3, atol=0.1)


def test_faces_of_another_size_are_scaled(random: BaseExtractor) -> None:
    small = random_images(1, size=112)
    large = np.asarray(Image.fromarray(small[0]).resize((224, 224), Image.Resampling.BILINEAR))[None]
    np.testing.assert_array_equal(run(random, small).arrays["values"], run(random, large).arrays["values"])


def test_faces_stored_in_bgr_are_turned(random: BaseExtractor) -> None:
    turned = build("vggface", {"weights": "random"}, {"faces": build("faces", {"colour": "bgr"})})
    vars(turned)["_network"] = random._network
    images = random_images(1)
    np.testing.assert_array_equal(run(turned, images[..., ::-1]).arrays["values"], run(random, images).arrays["values"])


@pytest.mark.parametrize("name", ["vggface", "facenet"])
def test_grey_faces_are_refused_when_the_features_are_planned(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} needs faces in colour, and its faces are `colour: grayscale`"):
        build(name, {"weights": "random"}, {"faces": build("faces", {"colour": "grayscale"})})


def test_a_clip_without_faces_has_no_vectors(random: BaseExtractor) -> None:
    assert run(random, random_images(1)[:0]).arrays["values"].shape == (0, 4096)


@pytest.mark.parametrize("factor", [1e6, float("nan")])
def test_what_float16_cannot_hold_fails_the_clip(random: BaseExtractor, factor: float, monkeypatch) -> None:
    forward = type(random).forward
    monkeypatch.setattr(type(random), "forward", lambda self, *given: forward(self, *given) * factor)
    with pytest.raises(ClipError, match=r"a vector holds .*, which float16 cannot"):
        run(random, random_images(1))


def test_a_missing_file_is_said_before_anything_is_computed(places: Path) -> None:
    with pytest.raises(ConfigError, match=r"vggface needs the weights vgg_face_dag.pth .* were not found"):
        build("vggface").weights_digest()


@pytest.mark.parametrize("name", FILES)
def test_a_network_of_other_shapes_is_refused(name: str, places: Path, state) -> None:
    fewer = {key: value[:1000] if key.startswith("fc8") else value for key, value in state.items()}
    write(name, fewer, places)
    with pytest.raises(
        ConfigError, match=r"is not of this network: fc8\.weight is \(1000, 4096\), needs \(2622, 4096\)"
    ) as error:
        run(build("vggface", {"weights": name}), random_images(1))
    assert str(places.name) in str(error.value)


def test_a_network_of_other_layers_is_refused(places: Path, state) -> None:
    short = {name: value for name, value in state.items() if not name.startswith("fc8")}
    torch.save(short, places / "vgg_face_dag.pth")
    with pytest.raises(ConfigError, match=r"it lacks fc8\.bias, fc8\.weight"):
        run(build("vggface"), random_images(1))
    write_torch7(places / "VGG_FACE.t7", torch7_network(short))
    with pytest.raises(ConfigError, match="15 layers with weights, not 16"):
        run(build("vggface", {"weights": "VGG_FACE.t7"}), random_images(1))
    torchvisions = {f"features.{k}": value for k, value in enumerate(state.values())}
    torch.save(torchvisions, places / "vgg_face_weights.pth")
    with pytest.raises(ConfigError, match=r"lacks conv1_1\.bias.* and has features\.0"):
        run(build("vggface", {"weights": "vgg_face_weights.pth"}), random_images(1))


def test_torch7_files_of_something_else_are_refused(places: Path, state) -> None:
    extractor = build("vggface", {"weights": "VGG_FACE.t7"})
    loop = Instance("nn.Sequential", {})
    loop.fields["modules"] = {1: loop}
    for value in (3.0, {"a": 1}, loop, Instance("nn.Sequential", {"modules": 3.0})):
        write_torch7(places / "VGG_FACE.t7", value)
        with pytest.raises(ConfigError, match="0 layers with weights, not 16"):
            run(extractor, random_images(1))
    network = torch7_network(state)
    network.fields["modules"][1].fields["bias"] = None
    write_torch7(places / "VGG_FACE.t7", network)
    with pytest.raises(ConfigError, match=r"conv1_1\.bias is not there, needs \(64,\)"):
        run(extractor, random_images(1))


def test_the_digest_is_the_files(places: Path, state) -> None:
    from affectstore.digest import digest_file

    path = write("vgg_face_dag.pth", state, places)
    assert build("vggface").weights_digest() == digest_file(path)
