"""Loading of models that `hub.find_model` found: no network, no code from the model, and no weight left to chance."""

from __future__ import annotations

from typing import Any

from affectstore.errors import ConfigError
from affectstore.weights.hub import ModelFolder
from affectstore.weights.random import random_state

#: Number of names in a message.
_SHOWN = 3


def load_part(auto: str, found: ModelFolder, **options: Any) -> Any:
    """Load a tokenizer, feature extractor or configuration of a model.

    Args:
        auto: Name of transformers' class that selects the right one, "AutoTokenizer".
        found: The model.
        options: Arguments of its from_pretrained.

    Raises:
        ConfigError: The class cannot read the files.
    """
    import transformers

    try:
        return getattr(transformers, auto).from_pretrained(
            found.folder, local_files_only=True, trust_remote_code=False, **options
        )
    except Exception as error:  # the parsers of these files raise anything
        raise ConfigError(f"{found.folder}: {auto} cannot read it: {_first_line(error)}") from error


def load_model(auto: str, found: ModelFolder, may_lack: tuple[str, ...] = ()) -> Any:
    """Load a model with its weights in float32, on the CPU, for inference.

    Args:
        auto: Name of transformers' class, "AutoModel".
        found: The model, with weights.
        may_lack: Parts of names of weights that are not used and so may be missing.

    Raises:
        ConfigError: Weights are missing, have another shape or cannot be read; transformers would initialise them.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, about = load_part(
        auto, found, use_safetensors=True, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
    )
    wrong = [f"{name} has another shape" for name in sorted(map(_name, about["mismatched_keys"]))]
    wrong += [
        f"{name} is missing"
        for name in sorted(map(_name, about["missing_keys"]))
        if not any(part in name for part in may_lack)
    ]
    wrong += [str(message) for message in about.get("error_msgs", ())]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ConfigError(
            f"{found.folder}: the weights are not those of a {type(model).__name__} with this configuration: "
            f"{'; '.join(wrong[:_SHOWN])}{more}"
        )
    return model.eval()


def random_model(auto: str, found: ModelFolder) -> Any:
    """Build a model of the configuration's shape with weights from `random_state`; for tests.

    Raises:
        ConfigError: The configuration belongs to no model of this class, or the model has layers of other kinds.
    """
    import torch
    import transformers

    config = load_part("AutoConfig", found)
    try:
        model = getattr(transformers, auto).from_config(config, dtype=torch.float32, trust_remote_code=False)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{found.folder}: {auto} knows no model of this configuration: {_first_line(error)}"
        ) from error
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in random_state(shapes).items()})
    return model.eval()


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(key[0])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
