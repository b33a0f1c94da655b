"""What a run takes from trained networks: encoders to start from, and logits to learn from."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor

from affectstore.digest import digest_file
from affectstore.errors import IntegrityError
from affectstore.models.base import TrainingError
from affectstore.models.data.dataset import ClipSet
from affectstore.models.engine.predict import logits_of
from affectstore.models.engine.saved import WEIGHTS, load_model, read_record
from affectstore.models.network import Network
from affectstore.models.sources import Source


def states_of(sources: Mapping[str, Source], seed: int) -> dict[str, dict[str, Tensor]]:
    """Modality -> state of the encoder that a cell of that modality was trained to, with the same seed.

    Raises:
        IntegrityError: the weights are not those that the cell's marker names.
        StaleError: they were trained on something else than the marker says.
    """
    states = {}
    for modality, source in sources.items():
        _verify(source, seed)
        read_record(source.folder / str(seed), source.digests)
        start = f"encoders.{modality}."
        state = load_file(source.folder / str(seed) / WEIGHTS)
        states[modality] = {name[len(start) :]: value for name, value in state.items() if name.startswith(start)}
    return states


def start_from(network: Network, states: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Put trained weights into the encoders of a network.

    Raises:
        TrainingError: they do not fit.
    """
    for modality, state in states.items():
        try:
            network.encoder(modality).load_state_dict(dict(state))
        except RuntimeError as error:
            raise TrainingError(
                f"`init_from.{modality}`: these weights do not fit the encoder; both cells must have the same options "
                f"of it, the same shape of pictures and as many columns: {error}"
            ) from None


def teacher_logits(
    sources: Mapping[str, Source], seed: int, clips: ClipSet, batch_size: int, device: torch.device
) -> dict[str, Tensor]:
    """Modality -> logits (clip, class) of the teacher trained with the same seed, on the CPU.

    Clips are as they are stored, not augmented; a teacher normalises them as it was trained to.

    Args:
        sources: modality -> the teacher.
        seed: of the run.
        clips: the training side of the student.
        batch_size: clips at a time.
        device: where they are computed.

    Raises:
        IntegrityError: the weights are not those that the cell's marker names.
        StaleError: they were trained on something else than the marker says.
    """
    logits = {}
    for modality, source in sources.items():
        _verify(source, seed)
        network, scales = load_model(source.folder / str(seed), source.digests)
        logits[modality] = logits_of(network.to(device), clips, scales, batch_size, device)
    return logits


def _verify(source: Source, seed: int) -> None:
    path = source.folder / str(seed) / WEIGHTS
    if (found := digest_file(path)) != source.weights[seed]:
        raise IntegrityError(
            f"{path} has digest {found[:12]}, the marker of its cell says {source.weights[seed][:12]}; delete "
            f"{source.folder / 'fold.json'}, and `affectstore run` looks after it"
        )
