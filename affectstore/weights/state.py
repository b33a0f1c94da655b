"""Reading of state dicts without running their contents, and comparison with the required shapes."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from affectstore.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

#: Class or function that a file asks for, in torch's message.
_GLOBAL = re.compile(r"GLOBAL ([\w.]+\w)")
#: Number of names in a message.
_SHOWN = 5


def read_state(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a file of `torch.save`, on the CPU.

    Raises:
        ConfigError: The file is truncated, holds code (a pickle of more than tensors), or no state dict.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = _GLOBAL.search(str(error))
        if found is None:
            raise ConfigError(_not_whole(path, error)) from error
        raise ConfigError(
            f"{path} is refused: it holds more than tensors, and loading it could run code ({found[1]}); only a state "
            "dict is loaded"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ConfigError(_not_whole(path, error)) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise ConfigError(f"{path} holds no state dict (names and tensors) but {_kind(state)}")
    return dict(state)


def check_state(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Compare a state dict with the network's shapes.

    Args:
        state: Tensors by name.
        shapes: Name -> shape, of every tensor of the network.
        path: File of the state dict, for messages.

    Raises:
        ConfigError: Names are missing or unknown, a shape differs, or a number is not finite.
    """
    strange = state.keys() - shapes.keys()
    # Old files lack the counters of batch norm layers, which inference never reads; torch fills them in.
    lacking = {name for name in shapes.keys() - state.keys() if not name.endswith(".num_batches_tracked")}
    if lacking or strange:
        parts = [f"lacks {_names(lacking)}"] if lacking else []
        parts += [f"has {_names(strange)}, which the network has not"] if strange else []
        raise ConfigError(f"{path} is not of this network: it {' and '.join(parts)}")
    wrong = [
        f"{name} is {tuple(state[name].shape)}, needs {shape}"
        for name, shape in shapes.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ConfigError(f"{path} is not of this network: {'; '.join(wrong[:_SHOWN])}{more}")
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ConfigError(f"{path}: {name} holds numbers that are not finite; fetch the file again")


def _not_whole(path: Path, error: Exception) -> str:
    return (
        f"{path} ({path.stat().st_size:,} bytes) is no whole file of weights ({_first_line(error)}); "
        "delete it and fetch it again"
    )


def _names(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:_SHOWN]) + (f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else "")


def _kind(state: object) -> str:
    return f"{type(state).__name__} of {len(state)}" if isinstance(state, list | dict | tuple) else type(state).__name__


def _first_line(error: Exception) -> str:
    text = str(error).rpartition("WeightsUnpickler error: ")[2].strip()
    return (text.splitlines() or [type(error).__name__])[0][:200]
