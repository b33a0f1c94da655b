"""Parents of a run: trained encoders that it starts from, and logits of teachers."""

from collections.abc import Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor

from affectstore.digest import digest_file
from affectstore.errors import IntegrityError
from affectstore.models.cells.parents import ParentRuns
from affectstore.models.data.batch import BatchMaker
from affectstore.models.data.dataset import ClipSet
from affectstore.models.network import Network
from affectstore.models.run_files import WEIGHTS, read_record
from affectstore.models.spec import TrainingError
from affectstore.models.training.evaluate import predict_logits
from affectstore.models.training.saved_model import load_model


def encoder_states(parents: Mapping[str, ParentRuns], seed: int) -> dict[str, dict[str, Tensor]]:
    """Modality -> state of the encoder of a trained cell of that modality, of the same seed.

    Raises:
        IntegrityError: The weights are not those that the cell's marker names.
        StaleError: They were trained on something else than the marker states.
    """
    states = {}
    for modality, parent in parents.items():
        _verify(parent, seed)
        read_record(parent.folder / str(seed), parent.digests)
        prefix = f"encoders.{modality}."
        state = load_file(parent.folder / str(seed) / WEIGHTS)
        states[modality] = {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    return states


def start_from(network: Network, states: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Load trained states into the encoders of a network.

    Raises:
        TrainingError: They do not fit.
    """
    for modality, state in states.items():
        try:
            network.encoder(modality).load_state_dict(dict(state))
        except RuntimeError as error:
            raise TrainingError(
                f"`init_from.{modality}`: these weights do not fit the encoder; both cells must have the same options "
                f"of it, and inputs of the same shape: {error}"
            ) from None


def teacher_logits(
    parents: Mapping[str, ParentRuns], seed: int, clips: ClipSet, batch_size: int, device: torch.device
) -> dict[str, Tensor]:
    """Modality -> logits (clip, class) of the teacher of the same seed, on the CPU.

    Clips are as stored, not augmented; a teacher normalises them as it was trained to.

    Args:
        parents: Modality -> the teacher.
        seed: Seed of the run.
        clips: The training subset of the student.
        batch_size: Clips at a time.
        device: Device of the computation.

    Raises:
        IntegrityError: The weights are not those that the cell's marker names.
        StaleError: They were trained on something else than the marker states.
    """
    logits = {}
    for modality, parent in parents.items():
        _verify(parent, seed)
        network, scales = load_model(parent.folder / str(seed), parent.digests)
        maker = BatchMaker(clips, network.recipe, scales, device)
        logits[modality] = predict_logits(network.to(device), maker, batch_size)
    return logits


def _verify(parent: ParentRuns, seed: int) -> None:
    path = parent.folder / str(seed) / WEIGHTS
    if (found := digest_file(path)) != parent.weights[seed]:
        raise IntegrityError(
            f"{path} has digest {found[:12]}, the marker of its cell names {parent.weights[seed][:12]}; delete "
            f"{parent.folder / 'fold.json'}, and `affectstore run` looks after it"
        )
