"""Published weights loaded into networks."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from affectstore.errors import ConfigError
from affectstore.models.blocks.convolution import adapt_kernel
from affectstore.weights.fetch import find_or_fetch
from affectstore.weights.hub import ModelName, find_model
from affectstore.weights.hub_load import load_model, load_part
from affectstore.weights.state import check_state, read_state

_COUNTER = "num_batches_tracked"


def load_file_state(network: nn.Module, name: str, without: tuple[str, ...] = ()) -> None:
    """Load a known file of weights into a network; every parameter must be in it, and nothing else.

    Batch counters that old files lack start at zero; nothing is computed from them.

    Args:
        network: Built like the published one.
        name: Name of the file.
        without: Beginnings of names that the file has and the network has not: the published classifier.

    Raises:
        ConfigError: The file is missing and cannot be downloaded, or belongs to another network.
    """
    path = find_or_fetch(name).path
    state = {key: value for key, value in read_state(path).items() if not key.startswith(without)}
    shapes = {
        key: tuple(value.shape)
        for key, value in network.state_dict().items()
        if key in state or not key.endswith(_COUNTER)
    }
    check_state(state, shapes, path)
    network.load_state_dict(state)


def hub_state(
    auto: str, name: ModelName, network: Any, options: Mapping[str, str], fixed: tuple[str, ...], first: str
) -> dict[str, Tensor]:
    """State of a published model for a network without classifier, whatever its channels.

    Args:
        auto: Class of transformers that reads the model with its classifier.
        name: Id or folder.
        network: Built from the model's configuration; parameters that the published model lacks (a last normalisation
            that only fine-tuned models have) keep their values.
        options: Option of the encoder -> its name in the configuration; both must agree.
        fixed: Further entries of the configuration that must agree.
        first: Name of the first layer's weights, which read three channels.

    Raises:
        ConfigError: The model is missing (the message says how to get it), or has other sizes than the options.
    """
    found = find_model(name)
    theirs, ours = load_part("AutoConfig", found), network.config
    if theirs.model_type != ours.model_type:
        raise ConfigError(
            f"{name.model} is a {theirs.model_type!r} model; this encoder takes {ours.model_type!r} models"
        )
    differ = [option for option, entry in options.items() if getattr(theirs, entry) != getattr(ours, entry)]
    if differ:
        wanted = ", ".join(f"{option}: {getattr(theirs, options[option])}" for option in differ)
        raise ConfigError(f"{name.model} has other sizes than the encoder's options; add `{wanted}` to them")
    other = [entry for entry in fixed if getattr(theirs, entry) != getattr(ours, entry)]
    if other or theirs.num_channels != 3:
        entries = ", ".join(f"{entry} {getattr(theirs, entry)}" for entry in [*other, "num_channels"])
        raise ConfigError(f"{name.model} is built differently ({entries}) and cannot be used by this encoder")
    new = network.state_dict()
    own = load_model(auto, found, may_lack=("classifier.", "fc_norm.", "pooler.")).state_dict()
    state = {key: own.get(key, value) for key, value in new.items()}
    state[first] = adapt_kernel(state[first], new[first].shape[1])
    return state
