"""Networks of the transformers library, drawn from a configuration or begun from what was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from affectstore.errors import ConfigError
from affectstore.models.encoders._channels import adapted
from affectstore.weights.hub import ModelName, find_model
from affectstore.weights.hub_load import load_model, load_part


def published_state(
    auto: str, name: ModelName, network: Any, options: Mapping[str, str], fixed: tuple[str, ...], first: str
) -> dict[str, Tensor]:
    """The weights of a published model as the state of a network without classifier, whatever its channels.

    Args:
        auto: transformers' class that reads the model with its classifier.
        name: id or folder.
        network: made from its configuration; keeps what the published model does not have (a last
            normalisation that only its fine-tuned kin have).
        options: our option -> what the configuration calls it; both must agree.
        fixed: further entries of the configuration that must agree.
        first: name of the weights of the first layer, which read three channels.

    Raises:
        ConfigError: the model is not here (the message says how to get it), or has other sizes than the
            options say.
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
    drawn = network.state_dict()
    own = load_model(auto, found, may_lack=("classifier.", "fc_norm.", "pooler.")).state_dict()
    state = {key: own.get(key, value) for key, value in drawn.items()}
    state[first] = adapted(state[first], drawn[first].shape[1])
    return state
