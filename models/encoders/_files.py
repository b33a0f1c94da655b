"""Published files of weights as the state of a network."""

from __future__ import annotations

from torch import nn

from affectstore.weights.fetch import obtain
from affectstore.weights.state import check_state, read_state

_COUNTER = "num_batches_tracked"


def load_published(network: nn.Module, name: str, without: tuple[str, ...] = ()) -> None:
    """Give a network the weights of a known file: all that it has, and nothing else.

    Counters of batches that old files lack start at zero; nothing is computed from them.

    Args:
        network: made like the one that was published.
        name: of the file.
        without: what names begin with that the file has and the network does not: the published classifier.

    Raises:
        ConfigError: the file is neither here nor can it be fetched, or it is not of this network.
    """
    path = obtain(name).path
    state = {key: value for key, value in read_state(path).items() if not key.startswith(without)}
    shapes = {
        key: tuple(value.shape)
        for key, value in network.state_dict().items()
        if key in state or not key.endswith(_COUNTER)
    }
    check_state(state, shapes, path)
    network.load_state_dict(state)
