"""The network of VGG-Face (Parkhi et al. 2015, configuration D): 13 convolutions, fc6, fc7, fc8."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.weights.random import random_state
from affectstore.weights.state import check_state, read_state
from affectstore.weights.torch7 import Layer, read_torch7

Order = Literal["rgb", "bgr"]

#: Channels of the convolutions of each block; each block ends in a pooling by two.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
#: Side of the network's input, in px.
SIZE_PX = 224
FEATURES = 4096
PEOPLE = 2622


class VggFace(nn.Module):
    """VGG-Face, from images (row, 3, 224, 224) to the output of the ReLU after fc6 or fc7 (row, 4096)."""

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        for block, widths in enumerate(BLOCKS, 1):
            for number, width in enumerate(widths, 1):
                self.add_module(f"conv{block}_{number}", nn.Conv2d(channels, width, kernel_size=3, padding=1))
                channels = width
        side = SIZE_PX // 2 ** len(BLOCKS)
        self.fc6 = nn.Linear(channels * side * side, FEATURES)
        self.fc7 = nn.Linear(FEATURES, FEATURES)
        self.fc8 = nn.Linear(FEATURES, PEOPLE)

    def forward(self, images: Tensor, layer: Literal["fc6", "fc7"] = "fc7") -> Tensor:
        """Compute the descriptor; fc8, the classes of the training set, is loaded and checked but not used."""
        values = images
        for block, widths in enumerate(BLOCKS, 1):
            for number in range(1, len(widths) + 1):
                values = F.relu(self.get_submodule(f"conv{block}_{number}")(values))
            values = F.max_pool2d(values, 2)
        values = F.relu(self.fc6(values.flatten(1)))
        return values if layer == "fc6" else F.relu(self.fc7(values))


def shapes() -> dict[str, tuple[int, ...]]:
    """List name -> shape of all 145,002,878 parameters."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in VggFace().state_dict().items()}


def build_network(path: Path | None, order: Order) -> VggFace:
    """Build the network with its weights, for RGB images.

    Args:
        path: File of weights: a state dict, or Torch7's if it ends in `.t7`; None for random ones.
        order: Order of the channels in which the weights were trained.

    Raises:
        ConfigError: The file is damaged, not safe to load, or belongs to another network.
    """
    if path is None:
        state = {name: torch.from_numpy(values) for name, values in random_state(shapes()).items()}
    elif path.suffix == ".t7":
        state = _torch7_state(path)
    else:
        state = read_state(path)
        # deepface stores linear layers as convolutions over the whole image: the same numbers.
        linear = {name: value.flatten(1) for name, value in state.items() if name.startswith("fc") and value.ndim == 4}
        state |= linear
    if path is not None:
        check_state(state, shapes(), path)
    if order == "bgr":
        state["conv1_1.weight"] = state["conv1_1.weight"].flip(1)
    with torch.device("meta"):
        built = VggFace()
    built.load_state_dict({name: value.float().contiguous() for name, value in state.items()}, assign=True)
    return built.eval().requires_grad_(False)


def _torch7_state(path: Path) -> dict[str, Tensor]:
    """Convert a sequential network of `nn` layers to a state dict: its layers with weights, in order.

    Raises:
        ConfigError: The file is not Torch7's, or its layers are others.
    """
    needed = shapes()
    names = [name.removesuffix(".weight") for name in needed if name.endswith(".weight")]
    layers = _with_weights(read_torch7(path), set())
    if len(layers) != len(names):
        raise ConfigError(f"{path} is not of this network: {len(layers)} layers with weights, not {len(names)}")
    state = {}
    for name, layer in zip(names, layers, strict=True):
        for kind in ("weight", "bias"):
            array, shape = layer.fields.get(kind), needed[f"{name}.{kind}"]
            # Kernels may be stored as the rows of a matrix.
            if not isinstance(array, np.ndarray) or (len(array), array.size) != (shape[0], math.prod(shape)):
                found = array.shape if isinstance(array, np.ndarray) else "not there"
                raise ConfigError(f"{path} is not of this network: {name}.{kind} is {found}, needs {shape}")
            state[f"{name}.{kind}"] = torch.from_numpy(array.astype(np.float32).reshape(shape))
    return state


def _with_weights(value: Any, seen: set[int]) -> list[Layer]:
    """List layers with a weight, in the order in which containers hold them; each once."""
    if not isinstance(value, Layer) or id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value.fields.get("weight"), np.ndarray):
        return [value]
    inner = value.fields.get("modules")
    if not isinstance(inner, dict):
        return []
    keys = sorted(key for key in inner if isinstance(key, int))
    return [layer for key in keys for layer in _with_weights(inner[key], seen)]
